"""One suite over every face of the library: the same photo, the same answer, and the golden one.

A face that comes later (batch, browser) is one more entry of `ENGINES`.
"""

import json
from collections.abc import Callable
from typing import Any

import httpx2
import numpy as np
import pytest

from apparent import Pipeline
from tests.golden.photos import photos
from tests.golden.road import VECTORS, vectors
from tests.golden.tolerances import ACROSS_RUNTIMES, SAME_RUNTIME, Tolerance

Engine = Callable[[bytes], dict[str, Any]]
"""A photo's bytes -> the wire contract's answer."""

PHOTOS = photos()
GOLDEN = json.loads(VECTORS.read_text())


def _over_http(client: httpx2.Client) -> Engine:
    def answer(data: bytes) -> dict[str, Any]:
        kind = "image/jpeg" if data.startswith(b"\xff\xd8") else "image/png"
        response = client.post("/api/v1/predict", content=data, headers={"content-type": kind})
        assert response.status_code == 200, response.text
        body: dict[str, Any] = response.json()
        return body

    return answer


@pytest.fixture(
    scope="module",
    params=["library", "in process", "served", pytest.param("image", marks=pytest.mark.container)],
)
def engine(request: pytest.FixtureRequest) -> Engine:
    """One face of the library after the other."""
    if request.param == "library":
        pipeline: Pipeline = request.getfixturevalue("pipeline")
        return lambda data: pipeline(data).to_dict()
    name = {"in process": "client", "served": "served", "image": "container"}[request.param]
    return _over_http(request.getfixturevalue(name))


def same(answer: dict[str, Any], expected: dict[str, Any], within: Tolerance) -> None:
    """Compares all that does not depend on the clock."""
    assert answer["image"] == expected["image"]
    assert answer["faces_found"] == expected["faces_found"]
    for face, other in zip(answer["faces"], expected["faces"], strict=True):
        age, other_age = face["age"], other["age"]
        assert age["years"] == pytest.approx(other_age["years"], abs=within.years)
        assert age["low"] == pytest.approx(other_age["low"], abs=within.interval)
        assert age["high"] == pytest.approx(other_age["high"], abs=within.interval)
        labels = {face["gender"]["label"], other["gender"]["label"]}
        # A probability on the edge of the policy may lie on either side of it elsewhere.
        assert len(labels) == 1 or (within is not SAME_RUNTIME and "uncertain" in labels)
        for path in (("gender", "probability"), ("detection_score",)):
            one, two = face, other
            for key in path:
                one, two = one[key], two[key]
            assert one == pytest.approx(two, abs=within.probability)
        for point, place in zip(face["landmarks"], other["landmarks"], strict=True):
            assert point == pytest.approx(place, abs=within.pixels)
        assert face["box"] == pytest.approx(other["box"], abs=within.pixels)


def test_the_vectors_are_of_the_model_that_answers(pipeline: Pipeline) -> None:
    assert GOLDEN["model"] == pipeline.manifest.version, "run: python -m tests.golden.road"
    assert GOLDEN["photos"].keys() == PHOTOS.keys()


@pytest.mark.parametrize("name", PHOTOS)
def test_every_face_of_the_library_gives_the_golden_answer(engine: Engine, name: str) -> None:
    same(engine(PHOTOS[name]), GOLDEN["photos"][name], ACROSS_RUNTIMES)


@pytest.mark.parametrize("name", PHOTOS)
def test_every_face_of_the_library_answers_as_the_library(
    engine: Engine, pipeline: Pipeline, name: str
) -> None:
    same(engine(PHOTOS[name]), pipeline(PHOTOS[name]).to_dict(), SAME_RUNTIME)


def test_chips_and_probabilities_are_the_golden_ones(pipeline: Pipeline) -> None:
    for name, photo in vectors(pipeline)["photos"].items():
        for face, other in zip(photo["faces"], GOLDEN["photos"][name]["faces"], strict=True):
            difference = np.subtract(face["chip"], other["chip"])
            assert np.abs(difference).mean() < ACROSS_RUNTIMES.chip, name
            apart = np.subtract(face["age"]["distribution"], other["age"]["distribution"])
            assert np.abs(np.cumsum(apart)).max() < ACROSS_RUNTIMES.probability * 2, name
            assert face["gender"]["female_probability"] == pytest.approx(
                other["gender"]["female_probability"], abs=ACROSS_RUNTIMES.probability
            )
