"""Prepared sets as one sequence of faces: chips on disk, labels as arrays, a draw by epoch."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from training.data.labels import FEMALE, UNKNOWN, Labels, age_range, read_labels
from training.recipe import Source

CHIPS = "chips.npy"
LABELS = "labels.csv"


@dataclass(frozen=True)
class Faces:
    """Faces of one or more folders written by `prepare`. Chips stay on disk until asked for."""

    age_low: NDArray[np.int64]
    """`[n]` years or `UNKNOWN`; see `training.data.labels`."""
    age_high: NDArray[np.int64]
    genders: NDArray[np.int64]
    """`[n]`: `MALE`, `FEMALE` or `UNKNOWN`."""
    soft: NDArray[np.float16] | None
    """`[n, AGES + 1]`: a teacher's age probabilities and, last, female probability."""
    per_epoch: int
    """How many faces an epoch draws."""
    counts: dict[str, int]
    """How many faces there are of each source."""
    _files: list[NDArray[np.uint8]]
    _file: NDArray[np.int64]
    _row: NDArray[np.int64]
    _draws: "list[_Draw]"

    def __len__(self) -> int:
        return len(self._row)

    def chips(self, faces: NDArray[np.int64]) -> NDArray[np.uint8]:
        """`[n, P, P, 3]` RGB of some faces; all folders must hold the same P."""
        chips = np.empty((len(faces), *self._files[0].shape[1:]), np.uint8)
        for i, file in enumerate(self._files):
            here = self._file[faces] == i
            chips[here] = file[self._row[faces[here]]]
        return chips

    def epoch(self, seed: int, epoch: int) -> NDArray[np.int64]:
        """The faces of an epoch in the order in which they are seen: `[per_epoch]`.

        Seed and epoch alone decide; what a cap leaves out of one epoch may be in the next.
        """
        rng = np.random.default_rng([seed, epoch])
        return rng.permutation(np.concatenate([draw.faces(rng) for draw in self._draws]))


@dataclass(frozen=True)
class _Draw:
    """What an epoch takes from one source."""

    groups: list[tuple[NDArray[np.int64], int]]
    """Faces, and how many of them are taken at most."""
    limit: int
    weight: float

    def faces(self, rng: np.random.Generator) -> NDArray[np.int64]:
        drawn = np.concatenate([_some(group, cap, rng) for group, cap in self.groups])
        drawn = _some(drawn, self.limit, rng)
        times, part = divmod(round(self.weight * len(drawn)), len(drawn))
        return np.concatenate([np.tile(drawn, times), _some(drawn, part, rng)])


def _some(faces: NDArray[np.int64], count: int, rng: np.random.Generator) -> NDArray[np.int64]:
    return rng.choice(faces, count, replace=False) if count < len(faces) else faces


def read_faces(
    data: Path,
    sources: tuple[Source, ...],
    splits: tuple[str, ...],
    *,
    merge: bool = False,
    teacher: Path | None = None,
) -> Faces:
    """The faces of `splits` in `data`/NAME of each source.

    `merge` gives near copies one answer: see `merged_duplicates`. `teacher` is a folder of soft
    targets. Raises `ValueError` where a set has no such face or the teacher did not answer.
    """
    parts: list[Labels] = []
    files, rows, soft, draws = [], [], [], []
    count = 0
    for source in sources:
        folder = data / source.name
        labels = read_labels(folder / LABELS)
        kept = labels.rows(splits)
        part = labels[kept]
        parts.append(merged_duplicates(part) if merge else part)
        files.append(np.load(folder / CHIPS, mmap_mode="r"))
        rows.append(kept)
        if teacher:
            soft.append(_soft_targets(teacher, folder)[kept])
        draws.append(_draw(source, parts[-1], count))
        count += len(kept)
    return Faces(
        np.concatenate([part.age_low for part in parts]),
        np.concatenate([part.age_high for part in parts]),
        np.concatenate([part.genders for part in parts]),
        np.concatenate(soft) if soft else None,
        sum(len(draw.faces(np.random.default_rng(0))) for draw in draws),
        {source.name: len(part) for source, part in zip(sources, parts, strict=True)},
        files,
        np.repeat(np.arange(len(parts)), [len(part) for part in parts]),
        np.concatenate(rows),
        draws,
    )


def _draw(source: Source, labels: Labels, first: int) -> _Draw:
    """Each face falls under the first cap whose range holds its age; the others have none."""
    left = np.ones(len(labels), bool)
    groups = []
    for text, cap in source.caps.items():
        low, high = age_range(text)
        under = left & (low <= labels.age_low) & (labels.age_high <= high)
        groups.append((first + np.flatnonzero(under), cap))
        left &= ~under
    groups.append((first + np.flatnonzero(left), len(labels)))
    return _Draw(groups, source.faces or len(labels), source.weight)


def merged_duplicates(labels: Labels) -> Labels:
    """Near copies with one answer: the mean of their exact ages, their commoner gender.

    Copies of one image were labelled apart and differ by years. Where two genders are equally
    common, each face keeps its own; ranges and unknown ages stay as they are.
    """
    _, member = np.unique(labels.clusters, return_inverse=True)
    exact = (labels.age_low == labels.age_high) & (labels.age_low != UNKNOWN)
    known = labels.genders != UNKNOWN
    with np.errstate(invalid="ignore"):  # clusters of no exact age or no gender
        mean = (
            np.bincount(member, labels.age_low * exact)[member] / np.bincount(member, exact)[member]
        )
        female = np.bincount(member, labels.genders == FEMALE)[member]
        share = female / np.bincount(member, known)[member]
    age = np.rint(np.where(exact, mean, labels.age_low)).astype(np.int64)
    return Labels(
        labels.path,
        labels.files,
        age,
        np.where(exact, age, labels.age_high),
        np.where(known & (share != 0.5), share > 0.5, labels.genders).astype(np.int64),
        labels.races,
        labels.splits,
        labels.clusters,
    )


def soft_targets(teacher: Path, folder: Path) -> Path:
    """Where a teacher's answers for the chips of a folder are kept: `[all chips, AGES + 1]`."""
    return teacher / f"{folder.name}.npy"


def _soft_targets(teacher: Path, folder: Path) -> NDArray[np.float16]:
    path = soft_targets(teacher, folder)
    if not path.exists():
        raise ValueError(f"{path} does not exist. Make it with `python -m training soft-targets`.")
    answers: NDArray[np.float16] = np.load(path, mmap_mode="r")
    return answers
