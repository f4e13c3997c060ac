"""Scores a model folder on labelled photos.

    python -m training evaluate --images images.zip --labels labels.csv --split test --json out.json

`--through photos` sends each file's bytes through the whole served pipeline; `--through chips`
takes the file as an aligned face already, which shows what detection and alignment cost.
"""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from apparent.ages import AGES
from apparent.errors import PhotoError
from apparent.estimator import Estimator
from apparent.model import store
from apparent.model.bundle import Manifest
from apparent.photo import Photo
from apparent.pipeline import Pipeline
from training.dataset import MAX_AGE, read_labels
from training.metrics import Answers
from training.prepare import MAX_PIXELS, central, photos, squared

Answer = Callable[[bytes], tuple[NDArray[np.float32], float] | None]
"""A photo's bytes -> age probabilities `[101]` and female probability of the labelled face."""


def answers(
    folder: Path, images: Path, labels: Path, splits: tuple[str, ...], through: str
) -> tuple[Manifest, Answers]:
    """The answers of a model folder for some splits; `through` is 'photos' or 'chips'."""
    files = store.load(folder.resolve().as_uri())
    answer = _through_photos(files) if through == "photos" else _through_chips(files)
    rows = list(read_labels(labels, splits).values())
    ages = np.full((len(rows), AGES), 1 / AGES, np.float32)
    is_female = np.array([row["gender"] == "female" for row in rows])
    female = np.where(is_female, 0, 1).astype(np.float32)
    missed = np.ones(len(rows), np.bool_)
    with ThreadPoolExecutor() as pool:
        found = pool.map(answer, photos(images, [row["file"] for row in rows]))
        for i, row_answer in enumerate(
            tqdm(found, total=len(rows), desc=" + ".join(splits), unit="photo")
        ):
            if row_answer is not None:
                ages[i], female[i] = row_answer
                missed[i] = False
    return files.manifest, Answers(
        ages=np.array([min(int(row["age"]), MAX_AGE) for row in rows]),
        is_female=is_female,
        races=np.array([row.get("race", "") for row in rows]),
        age_probabilities=ages,
        female_probability=female,
        missed=missed,
    )


def _through_photos(files: store.ModelFiles) -> Answer:
    pipeline = Pipeline(files, MAX_PIXELS, threads=1)

    def answer(data: bytes) -> tuple[NDArray[np.float32], float] | None:
        try:
            faces = pipeline(data)
        except PhotoError:
            return None
        if not faces:
            return None
        labelled = central(faces, (faces.width, faces.height))
        return labelled.age.distribution, labelled.gender.female_probability

    return answer


def _through_chips(files: store.ModelFiles) -> Answer:
    estimator = Estimator(files.estimator, threads=1)

    def answer(data: bytes) -> tuple[NDArray[np.float32], float] | None:
        photo = Photo(data, MAX_PIXELS).pixels()
        found = estimator.estimate(squared(photo, estimator.chip_size)[None])
        return found.age_probabilities[0], float(found.female_probability[0])

    return answer
