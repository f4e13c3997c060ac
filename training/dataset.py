"""Prepared chips and their labels, as arrays."""

import csv
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from functions.predict.estimator import AGES

MAX_AGE = AGES - 1
"""Ages above are learnt and scored as this one: 20 of UTKFace's 22,708 faces."""


@dataclass(frozen=True)
class Dataset:
    """Faces in the order of the labels file."""

    chips: NDArray[np.uint8]
    """`[n, P, P, 3]` RGB, usually a memory map."""
    ages: NDArray[np.int64]
    """`[n]`, 0 to `MAX_AGE`."""
    female: NDArray[np.bool_]
    """`[n]`."""

    def __len__(self) -> int:
        return len(self.ages)


def read(folder: Path, splits: tuple[str, ...]) -> Dataset:
    """The faces of `splits` in a folder written by `prepare`; raises `ValueError` if none."""
    with (folder / "labels.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    chosen = np.array([i for i, row in enumerate(rows) if row["split"] in splits])
    if not len(chosen):
        raise ValueError(
            f"{folder} has no face in {splits}; known: {sorted({r['split'] for r in rows})}."
        )
    chips = np.load(folder / "chips.npy", mmap_mode="r")[chosen]
    ages = np.array([min(int(rows[i]["age"]), MAX_AGE) for i in chosen])
    female = np.array([rows[i]["gender"] == "female" for i in chosen])
    return Dataset(chips, ages, female)
