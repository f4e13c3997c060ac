"""Parts -> how many photos, faces and failures there are, and a picture of ages and genders."""

import json
import os
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

LABELS = {"female": "#b3446c", "male": "#2f6f9f", "uncertain": "#9a9a9a"}
_BIN_YEARS = 5
_HEAD = 1024
"""Bytes of a PNG among which matplotlib puts its name."""


def require_place(plot: Path, output: str) -> None:
    """Raises `OSError` where no plot can be put there, or a picture that is none would be lost, and
    `ImportError` where none can be drawn: before the work, which may take hours.
    """
    import matplotlib  # noqa: F401 -- it is not used yet

    if os.path.realpath(plot) == os.path.realpath(output):
        raise OSError(f"{plot} cannot be both plot and answers. Name another file.")
    if plot.is_dir() or not plot.parent.is_dir():
        raise OSError(f"{plot} is no place for a plot. Name a file in a folder.")
    if plot.is_file():
        with plot.open("rb") as file:
            if b"matplotlib" not in file.read(_HEAD).lower():  # as where --plot *.png took a photo
                raise OSError(f"{plot} is there, and is no plot. Name another file.")


@dataclass
class Summary:
    """Of a run's rows."""

    photos: int = 0
    faces: int = 0
    without_face: int = 0
    failures: Counter[str] = field(default_factory=Counter)
    """By kind."""
    ages: Counter[tuple[str, int]] = field(default_factory=Counter)
    """Faces by perceived gender and the first year of an age's five."""

    def add(self, rows: Iterable[dict[str, Any]]) -> None:
        """Counts a part's rows."""
        for row in rows:
            if row["error"]:
                self.photos += 1
                self.failures[row["error"]] += 1
            elif row["face"] in (None, ""):
                self.photos += 1
                self.without_face += 1
            else:
                self.photos += int(row["face"]) == 1
                self.faces += 1
                first = int(float(row["years"])) // _BIN_YEARS * _BIN_YEARS
                self.ages[row["gender"], first] += 1

    def to_json(self) -> str:
        """For programs."""
        told = {
            "photos": self.photos,
            "faces": self.faces,
            "photos_without_face": self.without_face,
            "failures": dict(sorted(self.failures.items())),
            "genders": {label: self._of(label) for label in LABELS},
        }
        return json.dumps(told, indent=2) + "\n"

    def __str__(self) -> str:
        failed = ", ".join(f"{count:,} {kind}" for kind, count in sorted(self.failures.items()))
        genders = ", ".join(f"{self._of(label):,} {label}" for label in LABELS)
        return (
            f"{self.photos:,} photos, {self.without_face:,} of them without a face\n"
            f"{self.faces:,} faces: {genders}\n"
            f"{self.failures.total():,} failed" + (f": {failed}" if failed else "")
        )

    def plot(self, path: Path) -> None:
        """Draws apparent ages by perceived gender as a PNG."""
        from matplotlib.figure import Figure

        figure = Figure(figsize=(8, 4.5), layout="constrained")
        axes = figure.subplots()
        bins = range(0, 100 + _BIN_YEARS, _BIN_YEARS)
        floor = [0] * len(bins)
        for label, colour in LABELS.items():
            counts = [self.ages[label, first] for first in bins]
            name = f"{label} ({sum(counts):,})"
            axes.bar(bins, counts, _BIN_YEARS * 0.9, floor, align="edge", color=colour, label=name)
            floor = [low + count for low, count in zip(floor, counts, strict=True)]
        axes.set_xlim(0, 100 + _BIN_YEARS)
        axes.set_ylim(0, 1.05 * max(*floor, 1))
        axes.set_xlabel("apparent age, years")
        axes.set_ylabel("faces")
        axes.set_title(f"{self.faces:,} faces in {self.photos:,} photos")
        axes.legend(title="perceived gender")
        figure.savefig(path, dpi=120, format="png")

    def _of(self, label: str) -> int:
        return sum(count for (gender, _), count in self.ages.items() if gender == label)
