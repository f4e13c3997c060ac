"""A photo -> its faces: wires photo, finder, alignment, estimator and results."""

import math
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, Literal, Self

import numpy as np

from apparent import photo as photos
from apparent.ages import interval, median_age
from apparent.alignment import align, resolution
from apparent.arrays import Pixels
from apparent.detector import Detection, Detector
from apparent.estimator import Estimates, Estimator
from apparent.finder import SIDE, Finder
from apparent.model import store
from apparent.photo import MAX_PIXELS, Photo
from apparent.results import Age, Box, Face, Faces, Gender, ModelName

MAX_FACES: Final = 32

_MIN_RESOLUTION: Final = 1.5
"""Photo pixels per chip pixel from which a finer decoding is not worth its time: chips are then as
sharp as those of UTKFace's 200-pixel faces, which the estimator learnt from."""


class Pipeline:
    """A loaded model; thread-safe, as onnxruntime's sessions are."""

    def __init__(
        self, bundle: store.Bundle, max_pixels: int = MAX_PIXELS, threads: int = 0
    ) -> None:
        """`threads` per network run, 0 for one per core; raises `ModelError`."""
        self.bundle = replace(bundle, estimator=b"", detector=b"")  # their sessions have them
        self.manifest = bundle.manifest
        self._max_pixels = max_pixels
        self._finder = Finder(Detector(bundle.detector, threads))
        self._estimator = Estimator(bundle.estimator, threads, self.manifest.input.chip_size)
        self._template = np.array(self.manifest.input.template)

    @classmethod
    def load(
        cls, uri: str | Path | None = None, *, max_pixels: int = MAX_PIXELS, threads: int = 0
    ) -> Self:
        """Opens a model bundle: the one that comes with the library, a folder, or an
        `s3://bucket/path` or `file:///path` URI.

        Nothing is downloaded but from S3. Raises `ModelError`.
        """
        return cls(store.load(store.uri_of(uri)), max_pixels, threads)

    def __call__(self, photo: object) -> Faces:
        """Finds and estimates every face of a photo: a path, the bytes of a file, a PIL image, or
        uint8 RGB `[height, width, 3]`.

        Raises `PhotoError`, and `OSError` where a path cannot be read.
        """
        clock = _Clock()
        with clock.measure("decode"):
            picture = photos.read(photo, self._max_pixels)
        with clock.measure("detect"):
            faces, found = self._finder.find(_Measured(picture, clock), MAX_FACES)
        with clock.measure("decode"):
            pixels = self._sharp_enough(picture, faces)
        with clock.measure("estimate"):
            estimates = self._estimate(pixels, faces, pixels.shape[1] / picture.width)
        picture.release()  # whoever keeps many answers keeps their files, not all their pixels
        return Faces(
            faces=self._answers(faces, estimates, picture),
            model=ModelName(self.manifest.name, self.manifest.version),
            width=picture.width,
            height=picture.height,
            faces_found=found,
            timing_ms=clock.milliseconds(),
            _photo=picture.image,
        )

    def warm_up(self) -> None:
        """Runs both networks once, so that the first photo does not pay for their first run."""
        self._finder.warm_up()
        size = self.manifest.input.chip_size
        self._estimator.estimate(np.zeros((1, size, size, 3), np.uint8))

    def _sharp_enough(self, photo: Photo, faces: list[Detection]) -> Pixels:
        """The photo decoded as finely as its smallest face needs, at most at full resolution."""
        size = self.manifest.input.chip_size
        coarsest = min(
            (resolution(face.landmarks, size, self._template) for face in faces), default=math.inf
        )
        longest = max(photo.width, photo.height)
        return photo.pixels(max(SIDE, math.ceil(min(1, _MIN_RESOLUTION / coarsest) * longest)))

    def _estimate(self, pixels: Pixels, faces: list[Detection], factor: float) -> Estimates:
        size = self.manifest.input.chip_size
        chips = np.empty((len(faces), size, size, 3), np.uint8)
        for chip, face in zip(chips, faces, strict=True):
            chip[:] = align(pixels, face.landmarks * factor, size, self._template)
        return self._estimator.estimate(chips)

    def _answers(
        self, faces: list[Detection], estimates: Estimates, photo: Photo
    ) -> tuple[Face, ...]:
        ages, policy = estimates.age_probabilities, self.manifest.policy.interval
        years = median_age(ages)
        low, high = interval(ages, policy)
        return tuple(
            Face(
                box=_clipped(face, photo),
                landmarks=face.landmarks,
                detection_score=face.score,
                age=Age(float(years[i]), int(low[i]), int(high[i]), policy.coverage, ages[i]),
                gender=self._gender(float(estimates.female_probability[i])),
            )
            for i, face in enumerate(faces)
        )

    def _gender(self, female: float) -> Gender:
        probability = max(female, 1 - female)
        likelier: Literal["female", "male"] = "female" if female > 0.5 else "male"
        certain = probability >= self.manifest.policy.gender.uncertain_below
        return Gender(likelier if certain else "uncertain", probability, female)


class _Clock:
    """Milliseconds by step; a step within another is not counted as the other's."""

    def __init__(self) -> None:
        self._started = time.perf_counter()
        self._spent = dict.fromkeys(("decode", "detect", "estimate"), 0.0)
        self._within = 0.0

    @contextmanager
    def measure(self, step: str) -> Iterator[None]:
        started, before = time.perf_counter(), self._within
        self._within = 0.0
        yield
        spent = time.perf_counter() - started
        self._spent[step] += spent - self._within
        self._within = before + spent

    def milliseconds(self) -> dict[str, float]:
        spent = self._spent | {"total": time.perf_counter() - self._started}
        return {step: 1000 * seconds for step, seconds in spent.items()}


@dataclass(frozen=True)
class _Measured:
    """A photo whose decoding counts as such, whoever asks for pixels."""

    photo: Photo
    clock: _Clock

    @property
    def width(self) -> int:
        return self.photo.width

    @property
    def height(self) -> int:
        return self.photo.height

    def pixels(self, long_side: int | None = None) -> Pixels:
        with self.clock.measure("decode"):
            return self.photo.pixels(long_side)


def _clipped(face: Detection, photo: Photo) -> Box:
    left, top, right, bottom = face.box
    x, y = max(0, round(left)), max(0, round(top))
    return Box(x, y, min(photo.width, round(right)) - x, min(photo.height, round(bottom)) - y)
