"""A bundle's answers for labelled photos, beside the labels.

Photos are read from their archives as they are needed: no more than a window of them is in memory.
One that cannot be decoded is a miss, and is named.
"""

import hashlib
import os
import sys
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from apparent import photo as photos_
from apparent.ages import AGES
from apparent.arrays import Pixels
from apparent.cpus import usable_cpus
from apparent.errors import PhotoError
from apparent.estimator import Estimator
from apparent.model import store
from apparent.pipeline import Pipeline
from training.data.labels import FEMALE, UNKNOWN, Labels, read_labels
from training.data.prepare import MAX_PIXELS, central, photos, squared

Through = Literal["photos", "chips"]
Item = TypeVar("Item")
Result = TypeVar("Result")


class Source(NamedTuple):
    """A collection of labelled photos."""

    images: Path
    """A zip."""
    labels: Path
    """A CSV; see `training.data.labels`."""

    @property
    def name(self) -> str:
        """That of its folder."""
        return Path(os.path.abspath(self.labels)).parent.name  # noqa: PTH100 -- not a link's target

    @property
    def labels_sha256(self) -> str:
        """Which labels these are, 64 hex digits."""
        return hashlib.sha256(self.labels.read_bytes()).hexdigest()


class Answer(NamedTuple):
    """What was answered for the labelled face of a photo."""

    age_probabilities: NDArray[np.float32]
    """`[101]`."""
    female_probability: float


Ask = Callable[[bytes | Pixels], Answer | None]
"""A photo -> the answer for its central face, or None where none is found; raises `PhotoError`."""


@dataclass(frozen=True)
class Answers:
    """A model's answers beside the truth, n faces.

    A face that was missed is scored as the answer of someone who did not look: all ages equally
    likely, the wrong gender, not covered.
    """

    age_low: NDArray[np.int64]
    """`[n]` years, the same as `age_high` where the age is exact, or `UNKNOWN`."""
    age_high: NDArray[np.int64]
    near_low: NDArray[np.int64]
    """`[n]`: the first year of the range below that of the label, in the same collection."""
    near_high: NDArray[np.int64]
    """`[n]`: the last year of the range above it."""
    genders: NDArray[np.int64]
    """`[n]`: `MALE`, `FEMALE` or `UNKNOWN`."""
    races: NDArray[np.str_]
    sources: NDArray[np.str_]
    splits: NDArray[np.str_]
    age_probabilities: NDArray[np.float32]
    """`[n, 101]`."""
    female_probability: NDArray[np.float32]
    missed: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.missed)

    @property
    def exact(self) -> NDArray[np.bool_]:
        """Whose age is labelled as one year."""
        one_year: NDArray[np.bool_] = (self.age_low == self.age_high) & (self.age_low != UNKNOWN)
        return one_year

    @property
    def ranged(self) -> NDArray[np.bool_]:
        """Whose age is labelled as a range."""
        ordered: NDArray[np.bool_] = self.age_low < self.age_high
        return ordered

    @property
    def gendered(self) -> NDArray[np.bool_]:
        """Whose gender is labelled."""
        known: NDArray[np.bool_] = self.genders != UNKNOWN
        return known

    @property
    def gender_correct(self) -> NDArray[np.bool_]:
        """Whether the likelier gender is the labelled one; a missed face is not."""
        correct: NDArray[np.bool_] = (self.female_probability > 0.5) == (self.genders == FEMALE)
        return ~self.missed & correct

    @property
    def gender_confidence(self) -> NDArray[np.float32]:
        """Probability of the likelier gender; a missed face is a confident error."""
        likelier: NDArray[np.float32] = np.maximum(
            self.female_probability, 1 - self.female_probability
        )
        return likelier

    def where(self, chosen: NDArray[np.bool_]) -> "Answers":
        """The answers for some of the faces."""
        return Answers(**{name: values[chosen] for name, values in vars(self).items()})


def sources(images: Sequence[Path], labels: Sequence[Path]) -> list[Source]:
    """Archives and their labels, paired in order."""
    if len(images) != len(labels):
        raise ValueError(f"There are {len(images)} --images for {len(labels)} --labels: pair them.")
    paired = [Source(*pair) for pair in zip(images, labels, strict=True)]
    names = [source.name for source in paired]
    if len(set(names)) < len(names):
        raise ValueError(f"Two folders of labels have one name: {', '.join(names)}. Rename one.")
    return paired


def collect(
    bundle: store.Bundle, collections: Sequence[Source], splits: Sequence[str], through: Through
) -> Answers:
    """The answers for some splits of each collection; raises `ValueError` where one has none."""
    if not collections:
        raise ValueError(f"No collection has a face to ask for in {' or '.join(splits)}.")
    every = [read_labels(source.labels) for source in collections]
    rows = [labels.rows(splits) for labels in every]  # before minutes of work
    ask = asker(bundle, through)
    parts = [_collect(ask, *one) for one in zip(collections, every, rows, strict=True)]
    names = vars(parts[0])
    return Answers(**{n: np.concatenate([getattr(part, n) for part in parts]) for n in names})


def _collect(ask: Ask, source: Source, every: Labels, rows: NDArray[np.int64]) -> Answers:
    labels = every[rows]
    n = len(labels)
    ages = np.full((n, AGES), 1 / AGES, np.float32)
    female = np.where(labels.genders == FEMALE, 0, 1).astype(np.float32)
    missed = np.ones(n, np.bool_)
    for i, answer in enumerate(asked(ask, source, labels.files)):
        if answer is not None:
            ages[i], female[i] = answer
            missed[i] = False
    near_low, near_high = _neighbours(every, labels)
    return Answers(
        age_low=labels.age_low,
        age_high=labels.age_high,
        near_low=near_low,
        near_high=near_high,
        genders=labels.genders,
        races=np.array(labels.races),
        sources=np.full(n, source.name),
        splits=np.array(labels.splits),
        age_probabilities=ages,
        female_probability=female,
        missed=missed,
    )


def asked(
    ask: Callable[[bytes], Result | None], source: Source, files: Sequence[str]
) -> Iterator[Result | None]:
    """What is answered for each file of a collection, in order; None where it is no photo."""

    def one(photo: tuple[str, bytes]) -> Result | None:
        name, data = photo
        try:
            return ask(data)
        except PhotoError as error:
            tqdm.write(f"{source.images}, {name}: {error} Counted as a miss.", file=sys.stderr)
            return None

    named = zip(files, photos(source.images, list(files)), strict=True)
    cores = usable_cpus()
    with ThreadPoolExecutor(cores) as pool:
        found = windowed(pool, one, named, 4 * cores)
        yield from tqdm(found, total=len(files), desc=source.name, unit="photo", disable=None)


def windowed(
    pool: Executor, function: Callable[[Item], Result], items: Iterable[Item], window: int
) -> Iterator[Result]:
    """As `pool.map`, but no item is drawn before the result `window` items earlier is taken."""
    waiting: deque[Future[Result]] = deque()
    for item in items:
        if len(waiting) == window:
            yield waiting.popleft().result()
        waiting.append(pool.submit(function, item))
    while waiting:
        yield waiting.popleft().result()


def asker(bundle: store.Bundle, through: Through) -> Ask:
    """How a bundle answers: 'photos' takes the served road, 'chips' takes a photo as a chip."""
    return _through_photos(bundle) if through == "photos" else _through_chips(bundle)


def _through_photos(bundle: store.Bundle) -> Ask:
    pipeline = Pipeline(bundle, MAX_PIXELS, threads=1)

    def ask(photo: bytes | Pixels) -> Answer | None:
        faces = pipeline(photo)
        if not faces:
            return None
        face = central(faces, (faces.width, faces.height))
        return Answer(face.age.distribution, face.gender.female_probability)

    return ask


def _through_chips(bundle: store.Bundle) -> Ask:
    estimator = Estimator(bundle.estimator, 1, bundle.manifest.input.chip_size)

    def ask(photo: bytes | Pixels) -> Answer:
        pixels = photos_.read(photo, MAX_PIXELS).pixels()
        found = estimator.estimate(squared(pixels, estimator.chip_size)[None])
        return Answer(found.age_probabilities[0], float(found.female_probability[0]))

    return ask


def _neighbours(every: Labels, labels: Labels) -> tuple[NDArray[Any], NDArray[Any]]:
    """Of each label that is a range, where the ranges on either side of it begin and end."""
    of_ranges = every.age_low < every.age_high
    pairs = zip(every.age_low[of_ranges], every.age_high[of_ranges], strict=True)
    ranges = sorted({(int(low), int(high)) for low, high in pairs})
    near_low, near_high = labels.age_low.copy(), labels.age_high.copy()
    for i, bounds in enumerate(ranges):
        chosen = (labels.age_low == bounds[0]) & (labels.age_high == bounds[1])
        near_low[chosen] = ranges[max(i - 1, 0)][0]
        near_high[chosen] = ranges[min(i + 1, len(ranges) - 1)][1]
    return near_low, near_high
