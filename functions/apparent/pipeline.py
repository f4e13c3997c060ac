"""Photo bytes -> answer: wires photo, detector, alignment and estimator."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
from predict import schemas

from apparent.ages import interval, median_age
from apparent.alignment import align, resolution
from apparent.detector import INPUT_SIDE, Detector, Face
from apparent.estimator import Estimates, Estimator
from apparent.model.store import ModelFiles
from apparent.photo import Photo, Pixels

MAX_FACES: Final = 32

_MIN_RESOLUTION: Final = 1.5
"""Photo pixels per chip pixel from which a finer decoding is not worth its time: chips are then as
sharp as those of UTKFace's 200-pixel faces, which the estimator learnt from."""


@dataclass(frozen=True)
class Analysis:
    """What is known of one photo."""

    image: schemas.Image
    faces: list[Face]
    """In pixels of the upright photo, largest first, at most `MAX_FACES`."""
    faces_found: int
    estimates: Estimates
    """One row per face."""
    timing: schemas.Timing


class Pipeline:
    """A loaded model; thread-safe, as onnxruntime's sessions are."""

    def __init__(self, files: ModelFiles, max_pixels: int, threads: int = 0) -> None:
        """`threads` per network run, 0 for one per core."""
        self.manifest = files.manifest
        self._max_pixels = max_pixels
        self._detector = Detector(files.detector, threads)
        self._estimator = Estimator(files.estimator, threads)
        self._template = np.array(files.manifest.input.template)

    def warm_up(self) -> None:
        """Runs both networks once, so that the first photo does not pay for their first run."""
        self._detector.detect(np.zeros((INPUT_SIDE, INPUT_SIDE, 3), np.uint8))
        size = self.manifest.input.chip_size
        self._estimator.estimate(np.zeros((1, size, size, 3), np.uint8))

    def analyse(self, data: bytes) -> Analysis:
        """Finds and estimates every face in a photo; raises `photo.PhotoError`."""
        clock = _Clock()
        with clock.measure("decode"):
            photo = Photo(data, self._max_pixels)
            pixels = photo.pixels(INPUT_SIDE)
        with clock.measure("detect"):
            found = [face for face in self._detector.detect(pixels) if _visible(face, pixels)]
            faces = found[:MAX_FACES]
        factor = photo.width / pixels.shape[1]
        with clock.measure("decode"):
            pixels = self._sharp_enough(photo, pixels, faces)
        faces = [face.scaled(factor) for face in faces]
        with clock.measure("estimate"):
            estimates = self._estimate(pixels, faces, pixels.shape[1] / photo.width)
        image = schemas.Image(width=photo.width, height=photo.height)
        return Analysis(image, faces, len(found), estimates, clock.timing())

    def predict(self, data: bytes) -> schemas.Prediction:
        """The public answer for every face in a photo; raises `photo.PhotoError`."""
        analysis = self.analyse(data)
        probabilities = analysis.estimates.age_probabilities
        years = median_age(probabilities)
        low, high = interval(probabilities, self.manifest.interval)
        return schemas.Prediction(
            model=schemas.Model(name=self.manifest.name, version=self.manifest.version),
            image=analysis.image,
            faces=[
                schemas.Face(
                    box=_clipped(face, analysis.image),
                    detection_score=round(face.score, 3),
                    landmarks=[
                        schemas.Point(x=round(x, 1), y=round(y, 1))
                        for x, y in face.landmarks.tolist()
                    ],
                    age=schemas.Age(
                        years=round(float(years[i]), 1),
                        low=int(low[i]),
                        high=int(high[i]),
                        coverage=self.manifest.interval.coverage,
                    ),
                    gender=self._gender(float(analysis.estimates.female_probability[i])),
                )
                for i, face in enumerate(analysis.faces)
            ],
            faces_found=analysis.faces_found,
            timing_ms=analysis.timing,
        )

    def _sharp_enough(self, photo: Photo, pixels: Pixels, faces: list[Face]) -> Pixels:
        """The photo decoded as finely as its smallest face needs, at most at full resolution."""
        if not faces or max(pixels.shape[:2]) == max(photo.width, photo.height):
            return pixels
        size = self.manifest.input.chip_size
        coarsest = min(resolution(face.landmarks, size, self._template) for face in faces)
        if coarsest >= _MIN_RESOLUTION:
            return pixels
        return photo.pixels(int(max(pixels.shape[:2]) * _MIN_RESOLUTION / coarsest))

    def _estimate(self, pixels: Pixels, faces: list[Face], factor: float) -> Estimates:
        size = self.manifest.input.chip_size
        chips = np.empty((len(faces), size, size, 3), np.uint8)
        for chip, face in zip(chips, faces, strict=True):
            chip[:] = align(pixels, face.landmarks * factor, size, self._template)
        return self._estimator.estimate(chips)

    def _gender(self, female: float) -> schemas.Gender:
        probability = max(female, 1 - female)
        likelier: Literal["female", "male"] = "female" if female > 0.5 else "male"
        certain = probability >= self.manifest.gender.uncertain_below
        return schemas.Gender(
            label=likelier if certain else "uncertain", probability=round(probability, 3)
        )


class _Clock:
    """Milliseconds by step, each step possibly in several parts."""

    def __init__(self) -> None:
        self._started = time.perf_counter()
        self._spent = dict.fromkeys(("decode", "detect", "estimate"), 0.0)

    @contextmanager
    def measure(self, step: str) -> Iterator[None]:
        started = time.perf_counter()
        yield
        self._spent[step] += time.perf_counter() - started

    def timing(self) -> schemas.Timing:
        spent = self._spent | {"total": time.perf_counter() - self._started}
        return schemas.Timing(**{step: round(1000 * s, 1) for step, s in spent.items()})


def _visible(face: Face, pixels: Pixels) -> bool:
    left, top, right, bottom = face.box
    height, width = pixels.shape[:2]
    inside = (min(right, width) - max(left, 0), min(bottom, height) - max(top, 0))
    return bool(min(inside) >= 1)


def _clipped(face: Face, image: schemas.Image) -> schemas.Box:
    left, top, right, bottom = face.box
    x, y = max(0, round(left)), max(0, round(top))
    width, height = min(image.width, round(right)) - x, min(image.height, round(bottom)) - y
    return schemas.Box(x=x, y=y, width=width, height=height)
