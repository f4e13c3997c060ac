"""What holds for whatever comes, looked for by hypothesis."""

import csv
import io
import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from PIL import Image

from apparent.ages import interval, median_age, quantile
from apparent.alignment import TEMPLATE, align, similarity
from apparent.detector import non_maximum_suppression, overlap
from apparent.errors import ModelError, PhotoError
from apparent.model import EMBEDDED, MANIFEST
from apparent.model.bundle import Manifest
from apparent.model.store import manifest_of
from apparent.photo import Photo
from apparent.results import Age, Box, Face, Faces, Gender, ModelName
from predict.schemas import Prediction
from tests.conftest import encoded
from training.data.labels import MAX_AGE, read_labels

settings.register_profile(
    "few", max_examples=60, deadline=None, derandomize=True, database=None, print_blob=True
)
settings.load_profile("few")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("properties")


MAGIC = (b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"GIF89a", b"BM", b"RIFF\0\0\0\0WEBP",
         b"\0\0\0\x1cftypavif", b"")  # fmt: skip
finite, near = st.floats(-1e4, 1e4), st.floats(-300, 300)


@given(st.sampled_from(MAGIC), st.binary(max_size=300))
def test_any_bytes_are_a_photo_or_told_not_to_be(magic: bytes, rest: bytes) -> None:
    try:
        pixels = Photo(magic + rest, 1_000_000).pixels()
    except PhotoError as error:
        assert str(error).endswith(".")  # noqa: PT017 -- both ends are right
    else:
        assert pixels.dtype == np.uint8


@given(
    st.sampled_from(["JPEG", "PNG", "WEBP"]),
    st.integers(1, 60),
    st.integers(1, 60),
    st.integers(0, 9),
    st.integers(1, 80),
)
def test_a_photo_has_the_size_that_it_says(
    kind: str, width: int, height: int, orientation: int, long_side: int
) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    photo = Photo(encoded(Image.new("RGB", (width, height)), kind, exif=exif), 10_000)
    upright = (height, width) if orientation in (5, 6, 7, 8) else (width, height)
    assert (photo.width, photo.height) == upright
    reduced = photo.pixels(long_side)
    assert max(reduced.shape[:2]) >= min(long_side, max(upright))
    assert photo.pixels().shape == (*upright[::-1], 3)


@given(st.floats(0.01, 100), st.floats(-3.1, 3.1), finite, finite)
def test_a_similarity_is_found_again(scale: float, angle: float, x: float, y: float) -> None:
    cos, sin = scale * np.cos(angle), scale * np.sin(angle)
    matrix = np.array([[cos, -sin, x], [sin, cos, y]])
    moved = TEMPLATE @ matrix[:, :2].T + matrix[:, 2]
    assert np.allclose(similarity(TEMPLATE, moved), matrix, atol=1e-6)


@given(st.integers(1, 40), st.integers(1, 40), st.floats(5, 400), near, near)
def test_a_chip_can_be_cut_wherever_the_landmarks_are(
    width: int, height: int, side: float, x: float, y: float
) -> None:
    photo = np.full((height, width, 3), 90, np.uint8)
    chip = align(photo, TEMPLATE * side + (x, y), 32)
    assert chip.shape == (32, 32, 3)
    assert (chip == 90).all()


boxes = st.lists(
    st.tuples(finite, finite, st.floats(0.1, 500), st.floats(0.1, 500)), min_size=1, max_size=8
)


@given(boxes)
def test_no_two_kept_boxes_are_one_face(sizes: list[tuple[float, float, float, float]]) -> None:
    found = np.array([(x, y, x + w, y + h) for x, y, w, h in sizes], np.float32)
    kept = non_maximum_suppression(found, np.linspace(1, 0.5, len(found), dtype=np.float32), 0.4)
    assert kept[0] == 0
    for place, one in enumerate(kept):
        shares = overlap(found[one], found)
        assert np.isclose(shares[one], 1, atol=0.1)
        assert ((shares >= 0) & (shares <= 1 + 1e-4)).all()
        assert all(shares[other] <= 0.4 for other in kept[:place])


distributions = arrays(np.float32, (3, 101), elements=st.floats(0, 1, width=32)).filter(
    lambda found: bool((found.sum(axis=1) > 0).all())
)


@given(distributions, st.floats(0.01, 0.98))
def test_an_age_lies_in_its_interval_and_quantiles_rise(
    found: np.ndarray[tuple[int, int], np.dtype[np.float32]], level: float
) -> None:
    policy = Manifest.model_validate_json((EMBEDDED / MANIFEST).read_text()).policy.interval
    years = median_age(found)
    low, high = interval(found, policy)
    assert ((low >= 0) & (low <= np.round(years)) & (np.round(years) <= high) & (high <= 100)).all()
    assert (quantile(found, level) <= quantile(found, level + 0.01)).all()


@given(
    st.integers(1, 9000),
    st.integers(1, 9000),
    st.floats(0, 1),
    st.floats(0, 100),
    arrays(np.float64, (5, 2), elements=finite),
)
def test_every_answer_is_as_the_contract_says(
    width: int, height: int, share: float, years: float, points: np.ndarray[tuple[int, int]]
) -> None:
    age = Age(years, 0, 100, 0.9, np.full(101, 1 / 101, np.float32))
    face = Face(Box(0, 0, width, height), points, share, age, Gender("female", share, share))
    spent = dict.fromkeys(("decode", "detect", "estimate", "total"), share)
    photo = Image.new("RGB", (1, 1))
    answer = Faces((face,), ModelName("m", "v"), width, height, 1, spent, lambda: photo)
    told = json.loads(json.dumps(answer.to_dict(), allow_nan=False))
    assert Prediction.model_validate(told).model_dump() == told


@given(st.integers(0, 5000), st.binary(min_size=1, max_size=6), st.integers(0, 40))
def test_a_damaged_manifest_is_a_sentence(
    folder: Path, place: int, junk: bytes, left_out: int
) -> None:
    data = (EMBEDDED / MANIFEST).read_bytes()
    place %= len(data)
    (folder / MANIFEST).write_bytes(data[:place] + junk + data[place + left_out :])
    try:
        manifest_of(folder)
    except ModelError as error:
        assert str(folder) in str(error)  # noqa: PT017 -- both ends are right


field = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
age = st.one_of(st.just(""), st.integers(0, 130).map(str), field)
gender = st.one_of(st.sampled_from(["", "male", "female"]), field)


@given(st.lists(st.tuples(field, age, gender), max_size=5))
def test_labels_are_read_whole_or_refused_with_their_row(
    folder: Path, rows: list[tuple[str, str, str]]
) -> None:
    text = io.StringIO(newline="")
    csv.writer(text).writerows([("file", "age", "gender"), *rows])
    path = folder / "labels.csv"
    path.write_text(text.getvalue(), encoding="utf-8", newline="")
    try:
        labels = read_labels(path)
    except ValueError as error:
        assert str(path) in str(error)  # noqa: PT017 -- both ends are right
    else:
        assert labels.files == [row[0] for row in rows]
        assert (labels.age_low <= labels.age_high).all()
        assert labels.age_high.max(initial=0) <= MAX_AGE
