import io
import json

import numpy as np
import pytest
from PIL import Image

from apparent import Faces, Pipeline
from predict.schemas import Prediction
from tests.conftest import encoded
from tests.golden.photos import photos


@pytest.fixture(scope="module")
def faces(pipeline: Pipeline) -> Faces:
    """The answer for two women."""
    return pipeline(photos()["two_faces.png"])


def test_the_answer_is_a_sequence_of_faces(faces: Faces) -> None:
    assert len(faces) == len(list(faces)) == 2
    assert faces[:1] == (faces[0],)
    assert faces[-1] is faces[1]


def test_the_distribution_is_over_ages_and_told_where_asked_for(faces: Faces) -> None:
    age = faces[0].age
    assert age.distribution.shape == (101,)
    assert age.distribution.sum() == pytest.approx(1, abs=1e-4)
    assert "distribution" not in faces.to_dict()["faces"][0]["age"]
    told = faces.to_dict(distribution=True)["faces"][0]["age"]["distribution"]
    np.testing.assert_allclose(told, age.distribution, atol=1e-6)


def test_what_is_told_is_the_wire_contract_and_json(faces: Faces) -> None:
    told = json.loads(json.dumps(faces.to_dict()))
    assert Prediction.model_validate(told).model_dump() == told


def test_the_drawn_photo_differs_at_the_faces_and_their_names_alone(faces: Faces) -> None:
    drawn = np.asarray(faces.draw())
    photo = np.asarray(Image.open(io.BytesIO(photos()["two_faces.png"])).convert("RGB"))
    assert drawn.shape == photo.shape
    changed = (drawn != photo).any(axis=2)
    for face in faces:
        box = face.box
        edge = changed[box.y : box.y + 2, box.x + 5 : box.x + box.width - 5]
        assert edge.mean() > 0.9
        inside = changed[box.y + 40 : box.y + box.height - 20, box.x + 20 : box.x + box.width - 20]
        assert not inside.any()
    assert changed.mean() < 0.2


def test_a_face_that_fills_the_photo_is_drawn_too(pipeline: Pipeline) -> None:
    head = Image.open(io.BytesIO(photos()["hopper.jpg"])).crop((183, 120, 353, 333))
    assert pipeline(head).draw().size == head.size


def test_a_notebook_shows_the_photo_and_a_line_for_each_face(
    faces: Faces, pipeline: Pipeline
) -> None:
    html = faces._repr_html_()
    assert html.startswith('<img src="data:image/png;base64,')
    assert html.count("<li>") == 2
    assert str(faces[0]) in html
    nobody = pipeline(encoded(np.full((50, 60, 3), 127, np.uint8)))
    assert "no face found" in nobody._repr_html_()


def test_a_face_reads_well(faces: Faces) -> None:
    face = faces[1]
    assert str(face).startswith(f"{face.age.years:.0f} ({face.age.low} to {face.age.high}), female")
    assert "distribution" not in repr(faces)
