import numpy as np
import pytest
from PIL import Image

from apparent.photo import Photo
from apparent.pipeline import Pipeline
from predict.schemas import Prediction
from tests.conftest import encoded


def pasted(data: bytes, size: tuple[int, int], corner: tuple[int, int], side: int) -> Image.Image:
    """A grey picture with a photo in it."""
    canvas = Image.new("RGB", size, (120, 125, 130))
    canvas.paste(Image.fromarray(Photo(data, 10**8).pixels()).resize((side, side)), corner)
    return canvas


@pytest.mark.parametrize(
    ("portrait", "age", "labels"),
    # The hat hides the hair that the model leans on; it must at least not be sure of the contrary.
    [("collins", 42, {"female"}), ("hopper", 77, {"female", "uncertain"})],
)
def test_the_portraits_are_answered_about_right(
    pipeline: Pipeline,
    portrait: str,
    age: int,
    labels: set[str],
    request: pytest.FixtureRequest,
) -> None:
    (face,) = pipeline.predict(request.getfixturevalue(portrait)).faces
    assert face.gender.label in labels
    assert abs(face.age.years - age) <= 12
    assert face.age.low <= face.age.years <= face.age.high


def test_the_box_holds_the_landmarks_and_lies_in_the_photo(
    pipeline: Pipeline, hopper: bytes
) -> None:
    prediction = pipeline.predict(hopper)
    (face,) = prediction.faces
    box = face.box
    assert 0 <= box.x < box.x + box.width <= prediction.image.width == 512
    assert 0 <= box.y < box.y + box.height <= prediction.image.height == 600
    for point in face.landmarks:
        assert box.x < point.x < box.x + box.width
        assert box.y < point.y < box.y + box.height


def same_answer(one: Prediction, other: Prediction, scale: float = 1) -> None:
    for face, twin in zip(one.faces, other.faces, strict=True):
        assert abs(face.age.years - twin.age.years) < 2.5
        assert face.gender.label == twin.gender.label
        assert abs(face.box.x * scale - twin.box.x) < 0.03 * other.image.width


def test_orientation_is_applied_before_anything_else(pipeline: Pipeline, collins: bytes) -> None:
    upright = Image.fromarray(Photo(collins, 10**8).pixels())
    exif = Image.Exif()
    exif[0x0112] = 6
    stored = upright.transpose(Image.Transpose.ROTATE_90)
    answer = pipeline.predict(encoded(stored, "JPEG", quality=95, exif=exif))
    same_answer(pipeline.predict(collins), answer)


def test_a_large_jpeg_gives_the_answer_of_its_lossless_twin(
    pipeline: Pipeline, collins: bytes
) -> None:
    """The JPEG is decoded at a reduced scale, the PNG at full resolution."""
    large = pasted(collins, (4000, 3000), (600, 100), 2800)
    reduced = pipeline.predict(encoded(large, "JPEG", quality=95))
    same_answer(pipeline.predict(encoded(large)), reduced)
    assert reduced.image.width == 4000


@pytest.mark.parametrize("portrait", ["collins", "hopper"])
def test_a_small_face_in_a_large_jpeg_is_cut_from_the_full_resolution(
    pipeline: Pipeline, portrait: str, request: pytest.FixtureRequest
) -> None:
    """A PNG is always decoded whole; cut from the reduced JPEG, ages would be 6 years lower."""
    large = pasted(request.getfixturevalue(portrait), (3200, 2400), (1000, 600), 512)
    answer = pipeline.predict(encoded(large, "JPEG", quality=95))
    same_answer(pipeline.predict(encoded(large)), answer)
    (face,) = answer.faces
    assert 1000 < face.box.x < face.box.x + face.box.width < 1512


def test_boxes_are_clipped_to_the_photo(pipeline: Pipeline, collins: bytes) -> None:
    photo = Photo(collins, 10**8).pixels()
    prediction = pipeline.predict(encoded(np.ascontiguousarray(photo[75:, 195:])))
    for face in prediction.faces:
        assert face.box.x >= 0
        assert face.box.y >= 0
        assert face.box.x + face.box.width <= prediction.image.width
        assert face.box.y + face.box.height <= prediction.image.height


def test_faces_come_largest_first_and_at_most_32(pipeline: Pipeline, collins: bytes) -> None:
    head = Image.fromarray(Photo(collins, 10**8).pixels()[20:230, 120:330])
    crowd = Image.new("RGB", (1400, 1000))
    for i in range(35):
        side = 195 - i
        crowd.paste(head.resize((side, side)), (i % 7 * 200, i // 7 * 200))
    prediction = pipeline.predict(encoded(crowd))
    areas = [face.box.width * face.box.height for face in prediction.faces]
    assert len(areas) == 32
    assert prediction.faces_found == 35
    assert areas[0] > areas[-1]


def test_a_photo_without_a_face_has_an_empty_list(pipeline: Pipeline) -> None:
    prediction = pipeline.predict(encoded(np.full((300, 400, 3), 127, np.uint8)))
    assert prediction.faces == []
    assert prediction.faces_found == 0
    assert (prediction.image.width, prediction.image.height) == (400, 300)
