"""Figures written beside a run."""

import json
from pathlib import Path

from matplotlib.figure import Figure


def curves(log: Path, out: Path) -> None:
    """Training loss, validation error and gender accuracy by epoch, from a run's log.jsonl."""
    entries = [json.loads(line) for line in log.read_text().splitlines()]
    figure = Figure(figsize=(12, 3.5), layout="constrained")
    panels = (
        ("loss", "training loss"),
        ("val_age_mae", "validation age error (years)"),
        ("val_gender_accuracy", "validation gender accuracy"),
    )
    for axes, (key, title) in zip(figure.subplots(1, len(panels)), panels, strict=True):
        axes.plot([e["epoch"] for e in entries], [e[key] for e in entries], marker="o")
        axes.set_title(title)
        axes.set_xlabel("epoch")
        axes.grid(alpha=0.3)
    partial = out.with_name(f"{out.stem}.partial{out.suffix}")
    figure.savefig(partial)
    partial.replace(out)
