"""A labels file, read once for all steps, into typed arrays; what it does not know is refused.

A CSV with the column `file` and any of `age`, `gender`, `race`, `split`, `cluster`. An age is a
year (`34`), a range with both ends (`20-36`) or empty; a gender is female, male or empty.
"""

import csv
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from apparent.ages import AGES

MAX_AGE = AGES - 1
"""Ages above are read as this one: 20 of UTKFace's 22,708 faces. A range up to it is open above."""

UNKNOWN = -1
"""In place of an age or a gender that nobody told."""

MALE, FEMALE = 0, 1

EXCLUDED = "excluded"
HELD_OUT = frozenset({"calibration", "test", "test-wide", EXCLUDED})
"""Splits that no network may learn from."""

_COLUMNS = ("file", "age", "gender", "race", "split", "cluster")
_GENDERS = {"": UNKNOWN, "male": MALE, "female": FEMALE}
_AGE = re.compile(r"(\d{1,3})(?:-(\d{1,3}))?")


@dataclass(frozen=True)
class Labels:
    """A labels file by column, in the order of its rows."""

    path: Path
    files: list[str]
    age_low: NDArray[np.int64]
    """`[n]` years, 0 to `MAX_AGE`, or `UNKNOWN`."""
    age_high: NDArray[np.int64]
    """`[n]` years, included; `age_low` again where the age is exact."""
    genders: NDArray[np.int64]
    """`[n]`: `MALE`, `FEMALE` or `UNKNOWN`."""
    races: list[str]
    splits: list[str]
    clusters: list[str]
    """Near copies share one; each face without one has its own."""

    def __len__(self) -> int:
        return len(self.files)

    def rows(self, splits: Sequence[str]) -> NDArray[np.int64]:
        """Positions of the faces of some splits, rising; raises `ValueError` where there is none.

        Position `i` is also that of the face's chip in the folder that `prepare` wrote.
        """
        rows = np.flatnonzero(np.isin(self.splits, list(splits)))
        if not len(rows):
            known = ", ".join(sorted({split or "none" for split in self.splits}))
            raise ValueError(
                f"{self.path} has no row of split {' or '.join(splits)}; it has {known}."
            )
        return rows

    def __getitem__(self, rows: NDArray[np.int64]) -> "Labels":
        """The faces at some positions."""
        return Labels(
            self.path,
            [self.files[i] for i in rows],
            self.age_low[rows],
            self.age_high[rows],
            self.genders[rows],
            [self.races[i] for i in rows],
            [self.splits[i] for i in rows],
            [self.clusters[i] for i in rows],
        )


def read_labels(path: Path) -> Labels:
    """All rows of a labels file.

    Raises `ValueError` with the file and the row (counted as a spreadsheet does, the header being
    row 1) where a field is none of those that are known.
    """
    with path.open(newline="", encoding="utf-8-sig") as file:
        reader = csv.DictReader(file, restval="", strict=True)
        try:
            _check_header(path, reader.fieldnames or ())
            rows = [(reader.line_num, row) for row in reader]
        except (csv.Error, UnicodeDecodeError) as error:
            raise ValueError(f"{path} is not a CSV of labels: {error}.") from error
    ages, genders = [], []
    for number, row in rows:
        try:
            if None in row or not row["file"]:
                raise ValueError("has no file or more fields than the header")
            ages.append(age_range(row.get("age", "")))
            genders.append(_gender(row.get("gender", "")))
        except ValueError as error:
            raise ValueError(f"{path}, row {number} {error}.") from None
    bounds = np.array(ages, np.int64).reshape(-1, 2)
    return Labels(
        path,
        [row["file"] for _, row in rows],
        bounds[:, 0],
        bounds[:, 1],
        np.array(genders, np.int64),
        [row.get("race", "") for _, row in rows],
        [row.get("split", "") for _, row in rows],
        [row.get("cluster") or f"row {i}" for i, (_, row) in enumerate(rows)],
    )


def age_range(text: str) -> tuple[int, int]:
    """Lowest and highest year that an age's field allows; `UNKNOWN` twice where it is empty.

    Raises `ValueError` that ends a sentence which begins with the file.
    """
    if not text:
        return UNKNOWN, UNKNOWN
    match = _AGE.fullmatch(text)
    low = int(match[1]) if match else 0
    high = int(match[2] or low) if match else -1
    if low > high:
        raise ValueError(f"has the age '{text}'; an age is a year (34), a range (20-36) or empty")
    return min(low, MAX_AGE), min(high, MAX_AGE)


def _gender(text: str) -> int:
    if text not in _GENDERS:
        raise ValueError(f"has the gender '{text}'; a gender is female, male or empty")
    return _GENDERS[text]


def _check_header(path: Path, header: Sequence[str]) -> None:
    if "file" not in header:
        raise ValueError(f"{path} has no column 'file'; its header is {','.join(header)!r}.")
    for name in header:
        if name not in _COLUMNS and name.strip().lower() in _COLUMNS:
            raise ValueError(f"{path} has a column {name!r}; write it {name.strip().lower()!r}.")
