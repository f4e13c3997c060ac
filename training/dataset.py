"""Prepared chips and their labels, as arrays."""

import csv
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from functions.predict.estimator import AGES

CHIPS = "chips.npy"
LABELS = "labels.csv"
MAX_AGE = AGES - 1
"""Ages above are learnt and scored as this one: 20 of UTKFace's 22,708 faces."""

UNKNOWN_AGE = -1


@dataclass(frozen=True)
class Dataset:
    """Faces in the order of the labels file."""

    chips: NDArray[np.uint8]
    """`[n, P, P, 3]` RGB."""
    ages: NDArray[np.int64]
    """`[n]`, 0 to `MAX_AGE`, or `UNKNOWN_AGE`."""
    female: NDArray[np.bool_]
    """`[n]`."""

    def __len__(self) -> int:
        return len(self.ages)


def read_labels(path: Path, splits: tuple[str, ...] | None = None) -> dict[int, dict[str, str]]:
    """Rows of a labels file by position, of some splits or all; raises `ValueError` if none."""
    with path.open(newline="") as file:
        rows = dict(enumerate(csv.DictReader(file)))
    chosen = {i: row for i, row in rows.items() if splits is None or row.get("split") in splits}
    if not chosen:
        known = ", ".join(sorted({row.get("split", "none") for row in rows.values()}))
        raise ValueError(f"{path} has no row of split {' or '.join(splits or ())}; it has {known}.")
    return chosen


def joined(one: Dataset, other: Dataset) -> Dataset:
    """The faces of both."""
    return Dataset(
        np.concatenate([one.chips, other.chips]),
        np.concatenate([one.ages, other.ages]),
        np.concatenate([one.female, other.female]),
    )


def read_genders(folder: Path, count: int, seed: int) -> Dataset:
    """`count` faces of a folder whose labels know no ages, drawn at random."""
    rows = read_labels(folder / LABELS)
    if count > len(rows):
        raise ValueError(f"{folder} has {len(rows)} faces, not {count}.")
    drawn = np.sort(np.random.default_rng(seed).choice(len(rows), count, replace=False))
    chips = np.load(folder / CHIPS, mmap_mode="r")[drawn]
    female = np.array([rows[i]["gender"] == "female" for i in drawn])
    return Dataset(chips, np.full(count, UNKNOWN_AGE), female)


class Unlabelled:
    """The chips of several folders as one sequence, read from disk as they are asked for."""

    def __init__(self, folders: list[Path], splits: tuple[str, ...]) -> None:
        """Of a folder whose labels name splits, those in `splits`; of others, all faces."""
        self._chips = [np.load(folder / CHIPS, mmap_mode="r") for folder in folders]
        self._places = [
            (source, i)
            for source, folder in enumerate(folders)
            for i, row in read_labels(folder / LABELS).items()
            if row.get("split", splits[0]) in splits
        ]

    def __len__(self) -> int:
        return len(self._places)

    def __getitem__(self, indices: NDArray[np.int64]) -> NDArray[np.uint8]:
        """Chips `[n, P, P, 3]`; all folders must hold the same P."""
        places = (self._places[i] for i in indices)
        return np.stack([self._chips[source][i] for source, i in places])


def read(folder: Path, splits: tuple[str, ...]) -> Dataset:
    """The faces of `splits` in a folder written by `prepare`; raises `ValueError` if none."""
    rows = read_labels(folder / LABELS, splits)
    chips = np.load(folder / CHIPS, mmap_mode="r")[list(rows)]
    ages = np.array([min(int(row["age"]), MAX_AGE) for row in rows.values()])
    female = np.array([row["gender"] == "female" for row in rows.values()])
    return Dataset(chips, ages, female)
