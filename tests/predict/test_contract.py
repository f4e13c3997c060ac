"""The HTTP contract, the same for the application in process and for the image that Lambda runs."""

import base64
import hashlib
import re
from typing import Any

import httpx2
import numpy as np
import pytest
from PIL import Image

from tests.apparent.test_photo import png_header
from tests.conftest import encoded

Service = httpx2.Client
PREDICT = "/api/v1/predict"
GREY = np.full((80, 60, 3), 127, np.uint8)


def post(
    service: Service, data: bytes, name: str = "a.jpg", kind: str = "image/jpeg"
) -> httpx2.Response:
    return service.post(PREDICT, files={"image": (name, data, kind)})


def problem(response: httpx2.Response, status: int) -> dict[str, Any]:
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    body: dict[str, Any] = response.json()
    assert body.keys() - {"instance"} == {"type", "title", "status", "detail"}
    assert body["status"] == status
    assert body["type"].startswith("urn:apparent:problem:")
    return body


def test_the_answer_has_the_contract_s_shape(service: Service, collins: bytes) -> None:
    response = post(service, collins)
    assert response.status_code == 200
    assert response.headers["cache-control"] == "no-store"
    body = response.json()
    assert body.keys() == {"model", "image", "faces", "faces_found", "timing_ms"}
    assert body["image"] == {"width": 512, "height": 512}
    assert body["timing_ms"].keys() == {"decode", "detect", "estimate", "total"}
    assert len(body["model"]["version"]) == 12
    (face,) = body["faces"]
    assert face.keys() == {"box", "detection_score", "landmarks", "age", "gender"}
    assert face["box"].keys() == {"x", "y", "width", "height"}
    assert [point.keys() for point in face["landmarks"]] == [{"x", "y"}] * 5
    assert face["age"].keys() == {"years", "low", "high", "coverage"}
    assert face["age"]["coverage"] == 0.9
    assert face["gender"].keys() == {"label", "probability"}


@pytest.mark.parametrize("kind", ["image/jpeg", "image/webp", "application/octet-stream", ""])
def test_a_raw_body_is_answered_as_a_form_is(service: Service, collins: bytes, kind: str) -> None:
    raw = service.post(PREDICT, content=collins, headers={"content-type": kind})
    assert raw.status_code == 200
    assert raw.json()["faces"] == post(service, collins).json()["faces"]


def test_no_face_is_an_answer(service: Service) -> None:
    response = post(service, encoded(GREY))
    assert response.status_code == 200
    assert response.json()["faces"] == []


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("animated.gif", encoded(Image.new("RGB", (40, 40)), "GIF", save_all=True,
                                 append_images=[Image.new("RGB", (40, 40), "red")])),
        ("cmyk.jpg", encoded(Image.new("CMYK", (40, 40)), "JPEG")),
        ("grey16.png", encoded(np.full((40, 40), 40_000, np.uint16))),
        ("palette.png", encoded(Image.new("P", (40, 40)))),
        ("bilevel.png", encoded(Image.new("1", (40, 40)))),
        ("alpha.webp", encoded(Image.new("RGBA", (40, 40)), "WEBP")),
        ("one_pixel.png", encoded(Image.new("RGB", (1, 1)))),
    ],
)  # fmt: skip
def test_unusual_photos_are_answered(service: Service, name: str, data: bytes) -> None:
    response = post(service, data, name)
    assert response.status_code == 200, response.text
    assert response.json()["faces"] == []


def test_an_empty_photo_is_malformed(service: Service) -> None:
    assert "empty" in problem(post(service, b""), 400)["detail"]
    problem(service.post(PREDICT, content=b"", headers={"content-type": "image/png"}), 400)
    problem(service.post(PREDICT), 400)


def test_a_missing_field_is_malformed(service: Service, collins: bytes) -> None:
    response = service.post(PREDICT, files={"photo": ("a.jpg", collins, "image/jpeg")})
    assert "'image'" in problem(response, 400)["detail"]


def test_a_text_field_is_not_a_photo(service: Service) -> None:
    body = b'--x\r\nContent-Disposition: form-data; name="image"\r\n\r\nhello\r\n--x--\r\n'
    kind = {"content-type": "multipart/form-data; boundary=x"}
    problem(service.post(PREDICT, content=body, headers=kind), 400)


@pytest.mark.parametrize(
    "kind",
    ["multipart/form-data", "multipart/form-data; boundary=", "multipart/form-data; boundary=x"],
)
@pytest.mark.parametrize(
    "body", [b"", b"junk", b"--x\r\n\r\n--x", b"--x\r\nA: b\r\n\r\nc\r\n--x--"]
)
def test_a_broken_form_is_malformed(service: Service, kind: str, body: bytes) -> None:
    problem(service.post(PREDICT, content=body, headers={"content-type": kind}), 400)


@pytest.mark.parametrize("kind", ["text/plain", "application/json", "video/mp4"])
def test_another_type_is_refused(service: Service, collins: bytes, kind: str) -> None:
    problem(service.post(PREDICT, content=collins, headers={"content-type": kind}), 415)
    problem(post(service, collins, kind=kind), 415)


def test_text_named_jpg_is_not_an_image(service: Service) -> None:
    assert "not an image" in problem(post(service, b"hello, I am a photo"), 415)["detail"]


def test_a_truncated_photo_is_undecodable(service: Service, collins: bytes) -> None:
    problem(post(service, collins[: len(collins) // 2]), 422)


def test_a_header_of_too_many_pixels_is_undecodable(service: Service) -> None:
    detail = problem(post(service, png_header(50_000, 50_000), "huge.png", "image/png"), 422)[
        "detail"
    ]
    assert "pixels" in detail


@pytest.mark.parametrize("size", [7_000_000, 40_000_000])
def test_a_large_body_is_refused(client: Service, size: int) -> None:
    problem(post(client, bytes(size)), 413)
    problem(client.post(PREDICT, content=bytes(size), headers={"content-type": "image/png"}), 413)


@pytest.mark.container
@pytest.mark.parametrize("size", [7_000_000, 40_000_000])
def test_a_large_body_is_refused_before_the_function_in_aws_s_words(
    container: Service, size: int
) -> None:
    png = {"content-type": "image/png"}
    for answer in (
        post(container, bytes(size)),
        container.post(PREDICT, content=bytes(size), headers=png),
    ):
        assert answer.status_code == 413
        assert answer.json() == {"message": "Request Too Long"}


@pytest.mark.parametrize("seed", range(3))
def test_random_damage_never_breaks_the_service(
    service: Service, collins: bytes, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    sources = [collins] + [
        encoded(rng.integers(0, 256, (40, 50, 3), dtype=np.uint8), kind)
        for kind in ("PNG", "WEBP", "GIF", "BMP", "AVIF")
    ]
    for source in sources:
        for _ in range(10):
            data = bytearray(source)
            for place in rng.integers(0, min(len(data), 700), 4):
                data[place] = rng.integers(256)
            status = post(service, bytes(data)).status_code
            assert status in (200, 415, 422)


def test_wrong_path_and_method_are_problems_too(service: Service) -> None:
    problem(service.get("/api/v1/nothing"), 404)
    problem(service.get(PREDICT), 405)


def test_the_model_is_described(service: Service) -> None:
    response = service.get("/api/v1/model")
    body = response.json()
    assert body["files"]["estimator"]["int8"]["sha256"].startswith(body["version"])
    assert {"name", "files", "interval", "gender", "licence", "intended_use", "figures"} <= set(
        body
    )
    assert len(response.content) < 16_000


def test_the_description_and_its_page_need_no_other_host(service: Service) -> None:
    description = service.get("/api/v1/openapi.json").json()
    assert set(description["paths"]) == {"/api/v1/predict", "/api/v1/health", "/api/v1/model"}
    statuses = set(description["paths"][PREDICT]["post"]["responses"])
    assert {"200", "400", "413", "415", "422", "429", "503"} <= statuses
    page = service.get("/api/v1/docs").text
    assert "POST /api/v1/predict" in page
    assert "<script" not in page
    assert 'src="' not in page


def test_the_documentation_s_own_style_is_all_that_its_policy_allows(service: Service) -> None:
    response = service.get("/api/v1/docs")
    (style,) = re.findall(r"<style>(.*?)</style>", response.text, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    policy = response.headers["content-security-policy"]
    assert f"default-src 'none'; style-src 'sha256-{digest}'" in policy
