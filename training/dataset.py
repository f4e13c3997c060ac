"""Prepared chips and their labels, as arrays."""

import csv
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from apparent.ages import AGES

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
    taught: NDArray[np.float16] | None = None
    """`[n, AGES + 1]`: a teacher's age probabilities and, last, female probability."""

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
    """The faces of both; the teacher's answers only where it answered for both."""
    return Dataset(
        np.concatenate([one.chips, other.chips]),
        np.concatenate([one.ages, other.ages]),
        np.concatenate([one.female, other.female]),
        None
        if one.taught is None or other.taught is None
        else np.concatenate([one.taught, other.taught]),
    )


def read_genders(folder: Path, count: int, seed: int, teacher: Path | None = None) -> Dataset:
    """`count` faces of a folder whose labels know no ages, drawn at random."""
    rows = read_labels(folder / LABELS)
    if count > len(rows):
        raise ValueError(f"{folder} has {len(rows)} faces, not {count}.")
    drawn = np.sort(np.random.default_rng(seed).choice(len(rows), count, replace=False))
    chips = np.load(folder / CHIPS, mmap_mode="r")[drawn]
    female = np.array([rows[i]["gender"] == "female" for i in drawn])
    return Dataset(chips, np.full(count, UNKNOWN_AGE), female, _taught(teacher, folder, drawn))


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


def read(
    folder: Path, splits: tuple[str, ...], *, settle: bool = False, teacher: Path | None = None
) -> Dataset:
    """The faces of `splits` in a folder written by `prepare`; raises `ValueError` if none.

    `settle` gives copies of one image, where the labels name them, one answer: see `settled`.
    `teacher` is a folder of soft targets.
    """
    rows = read_labels(folder / LABELS, splits)
    chips = np.load(folder / CHIPS, mmap_mode="r")[list(rows)]
    ages = np.array([min(int(row["age"]), MAX_AGE) for row in rows.values()])
    female = np.array([row["gender"] == "female" for row in rows.values()])
    if settle:
        clusters = [row.get("cluster") or f"row {i}" for i, row in rows.items()]
        ages, female = settled(ages, female, clusters)
    return Dataset(chips, ages, female, _taught(teacher, folder, np.array(list(rows))))


def _taught(
    teacher: Path | None, folder: Path, rows: NDArray[np.int64]
) -> NDArray[np.float16] | None:
    if teacher is None:
        return None
    path = soft_targets(teacher, folder)
    if not path.exists():
        raise ValueError(f"{path} does not exist. Make it with `python -m training teach`.")
    targets: NDArray[np.float16] = np.load(path, mmap_mode="r")[rows]
    return targets


def soft_targets(teacher: Path, folder: Path) -> Path:
    """Where a teacher's answers for the chips of a folder are kept: `[all chips, AGES + 1]`."""
    return teacher / f"{folder.name}.npy"


def settled(
    ages: NDArray[np.int64], female: NDArray[np.bool_], clusters: list[str]
) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Ages and genders `[n]` with the faces of a cluster at its mean age and commoner gender.

    Copies of one image were labelled apart and differ by years; where two genders are equally
    common, each face keeps its own.
    """
    _, members = np.unique(clusters, return_inverse=True)
    sizes = np.bincount(members)[members]
    mean_ages = np.bincount(members, ages)[members] / sizes
    share = np.bincount(members, female)[members] / sizes
    return np.rint(mean_ages).astype(np.int64), np.where(share == 0.5, female, share > 0.5)
