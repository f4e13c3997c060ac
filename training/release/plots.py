"""Figures of the model card."""

from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from apparent.atomic import atomic_write


def error_by_group(groups: dict[str, Any], out: Path) -> None:
    """Mean absolute error of age with its 95 % interval, and bias, by group."""
    figure, axes = _bars(groups, "age_mae", "years")
    bias = [group["age_bias"] for group in groups.values()]
    axes.plot(range(len(groups)), bias, "o", color="black")
    axes.axhline(0, color="black", linewidth=0.6)
    axes.set_title("age error (bars) and bias (dots)")
    _save(figure, out)


def coverage_by_group(groups: dict[str, Any], promised: float, out: Path) -> None:
    """Share of faces whose age the interval holds, with its 95 % interval, by group."""
    figure, axes = _bars(groups, "interval_coverage", "share of faces")
    axes.axhline(promised, color="black", linewidth=0.8, linestyle="--")
    axes.set_ylim(0.5, 1)
    axes.set_title(f"the interval holds; promised {promised:.0%}")
    _save(figure, out)


def reliability(bins: list[dict[str, Any]], out: Path) -> None:
    """Accuracy against confidence; a dot's area tells how many faces it stands for."""
    figure = Figure(figsize=(4, 4), layout="constrained")
    axes = figure.subplots()
    axes.plot([0.5, 1], [0.5, 1], color="black", linewidth=0.8, linestyle="--")
    total = sum(row["n"] for row in bins)
    axes.scatter(
        [row["confidence"] for row in bins],
        [row["accuracy"] for row in bins],
        s=[20 + 600 * row["n"] / total for row in bins],
        alpha=0.7,
    )
    axes.set_xlabel("probability answered")
    axes.set_ylabel("share right")
    axes.set_title("perceived gender")
    axes.grid(alpha=0.3)
    _save(figure, out)


def _bars(groups: dict[str, Any], name: str, unit: str) -> tuple[Figure, Axes]:
    figure = Figure(figsize=(6.5, 3.5), layout="constrained")
    axes = figure.subplots()
    values = np.array([group[name] for group in groups.values()])
    ends = np.array([group[f"{name}_ci"] for group in groups.values()]).T
    axes.bar(range(len(groups)), values, yerr=abs(ends - values), capsize=3, alpha=0.7)
    titles = [f"{title}\nn={group['n']}" for title, group in groups.items()]
    axes.set_xticks(range(len(groups)), titles, fontsize=8)
    axes.set_ylabel(unit)
    axes.grid(axis="y", alpha=0.3)
    return figure, axes


def _save(figure: Figure, out: Path) -> None:
    with atomic_write(out) as partial:
        figure.savefig(partial)
