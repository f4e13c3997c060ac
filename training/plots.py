"""Figures written beside a run."""

import json
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from functions.files import whole


def curves(log: Path, out: Path) -> None:
    """Every figure of a run's log.jsonl by epoch, a panel each."""
    entries = [json.loads(line) for line in log.read_text().splitlines()]
    names = [name for name in entries[0] if name not in ("epoch", "seconds")]
    figure = Figure(figsize=(4 * len(names), 3.5), layout="constrained")
    panels = figure.subplots(1, len(names), squeeze=False)[0]
    for axes, name in zip(panels, names, strict=True):
        axes.plot([e["epoch"] for e in entries], [e[name] for e in entries], marker="o")
        axes.set_title(name.replace("_", " "))
        axes.set_xlabel("epoch")
        axes.grid(alpha=0.3)
    with whole(out) as partial:
        figure.savefig(partial)


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
    with whole(out) as partial:
        figure.savefig(partial)
