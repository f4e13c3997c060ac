"""Pictures written beside a run."""

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from apparent.atomic import atomic_write

_UNPLOTTED = ("epoch", "seconds", "faces_per_second")


def by_epoch(log: Path, out: Path) -> None:
    """The figures of a run's log.jsonl by epoch; those of several sets (`SET/FIGURE`) together."""
    entries = [json.loads(line) for line in log.read_text().splitlines()]
    panels: dict[str, list[str]] = {}
    for name in entries[0]:
        if name not in _UNPLOTTED:
            panels.setdefault(name.rpartition("/")[2], []).append(name)
    columns = min(len(panels), 4)
    rows = math.ceil(len(panels) / columns)
    figure = Figure(figsize=(3.5 * columns, 3 * rows))
    figure.subplots_adjust(wspace=0.3, hspace=0.4)
    grid = figure.subplots(rows, columns, squeeze=False).flat
    for axes, (title, names) in zip(grid, panels.items(), strict=False):
        for name in names:
            label = name.rpartition("/")[0]
            epochs, values = [e["epoch"] for e in entries], [e.get(name) for e in entries]
            axes.plot(epochs, values, marker="o", label=label or None)
        axes.set_title(title.replace("_", " "))
        axes.grid(alpha=0.3)
        if len(names) > 1:
            axes.legend()
    _save(figure, out)


def rows_of_images(rows: dict[str, NDArray[Any]], out: Path) -> None:
    """A labelled row per entry, each float `[n, S, S, 3]` in 0 to 1."""
    columns = max(map(len, rows.values()))
    figure = Figure(figsize=(1.2 * columns, 1.3 * len(rows)), layout="constrained")
    grid = figure.subplots(len(rows), columns, squeeze=False)
    for panels, (title, images) in zip(grid, rows.items(), strict=True):
        panels[0].set_ylabel(title)
        for axes, image in zip(panels, images, strict=True):
            axes.imshow(np.clip(image, 0, 1))
            axes.set_xticks([])
            axes.set_yticks([])
    _save(figure, out)


def _save(figure: Figure, out: Path) -> None:
    with atomic_write(out) as partial:
        figure.savefig(partial)
