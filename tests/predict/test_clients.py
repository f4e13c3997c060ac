"""Requests as the world's HTTP clients make them, answered alike in process and in the image."""

import html
import re
import shutil
import subprocess
import sys
from pathlib import Path

import httpx2
import pytest

from tests.conftest import ROOT
from tests.predict.test_contract import PREDICT, post, problem

FIELD = 'Content-Disposition: form-data; name="image"'
FORM = {"content-type": "multipart/form-data; boundary=X"}


def form(head: str, data: bytes, end: bytes = b"\r\n--X--\r\n") -> bytes:
    return b"--X\r\n" + head.encode() + b"\r\n\r\n" + data + end


@pytest.mark.parametrize(
    "head",
    [
        f"{FIELD}\r\nContent-Type: image/jpeg",
        f"{FIELD}; filename*=UTF-8''f%C3%BCr.jpg",
        f"{FIELD}; filename*=UTF-8''f%C3%BCr.jpg\r\nContent-Type: image/jpeg",
        f'{FIELD}; filename=""\r\nContent-Type: image/jpeg',
        f'{FIELD}; filename="a.jpg"\r\nContent-Type: multipart/form-data',
        f'{FIELD}; filename="a.jpg"\r\nContent-Type: */*',
        f'{FIELD}; filename="a.jpg"\r\nContent-Type: image',
        f'{FIELD}; filename="a.jpg"',
        f"Content-Type: IMAGE/JPEG; charset=binary\r\n{FIELD}",
    ],
)
def test_a_part_is_a_photo_with_or_without_a_file_name(
    service: httpx2.Client, collins: bytes, head: str
) -> None:
    response = service.post(PREDICT, content=form(head, collins), headers=FORM)
    assert response.status_code == 200, response.text
    assert len(response.json()["faces"]) == 1


def test_other_fields_may_stand_beside_the_photo(service: httpx2.Client, collins: bytes) -> None:
    other = b'--X\r\nContent-Disposition: form-data; name="%b"\r\n%b\r\nv\r\n'
    typed = b"Content-Type: text/plain; charset=utf-8\r\n"
    others = b"".join(other % (bytes([65 + i]), typed) for i in range(12))
    body = others + form(f"{FIELD}\r\nContent-Type: image/jpeg", collins)
    assert service.post(PREDICT, content=body, headers=FORM).status_code == 200


@pytest.mark.parametrize("missing", [3, 10, 3000])
def test_a_form_that_breaks_off_is_told_as_that(
    service: httpx2.Client, collins: bytes, missing: int
) -> None:
    body = form(f'{FIELD}; filename="a.jpg"', collins)[:-missing].rstrip(b"-")
    detail = problem(service.post(PREDICT, content=body, headers=FORM), 400)["detail"]
    assert "breaks off" in detail
    assert "no file" not in detail


def test_an_encoded_body_is_told_as_that(service: httpx2.Client, collins: bytes) -> None:
    headers = {"content-type": "image/jpeg", "content-encoding": "gzip"}
    assert (
        "'gzip'" in problem(service.post(PREDICT, content=collins, headers=headers), 415)["detail"]
    )


def test_a_slash_at_the_end_changes_nothing(service: httpx2.Client, collins: bytes) -> None:
    files = {"image": ("a.jpg", collins, "image/jpeg")}
    assert len(service.post(f"{PREDICT}/", files=files).json()["faces"]) == 1
    assert service.get("/api/v1/health/").json() == {"status": "ok"}


def test_with_a_slash_the_documentation_s_links_lead_to_the_same(service: httpx2.Client) -> None:
    for path in ("/api/v1/docs", "/api/v1/docs/"):
        links = re.findall('href="([^"]+)"', service.get(path).text)
        there = [str(httpx2.URL(f"http://localhost{path}").join(link).path) for link in links]
        assert there == ["/", "/api/v1/openapi.json"]


@pytest.mark.parametrize("page", ["health", "model", "docs", "openapi.json"])
def test_head_is_get_without_the_body(service: httpx2.Client, page: str) -> None:
    get, head = (service.request(method, f"/api/v1/{page}") for method in ("GET", "HEAD"))
    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["content-type"] == get.headers["content-type"]


def test_a_method_that_is_not_answered_says_which_are(service: httpx2.Client) -> None:
    for method in ("GET", "PUT", "DELETE"):
        response = service.request(method, PREDICT)
        problem(response, 405)
        assert response.headers["allow"] == "OPTIONS, POST"
    assert service.request("HEAD", PREDICT).status_code == 405
    assert "GET" in service.post("/api/v1/openapi.json").headers["allow"]
    options = service.request("OPTIONS", PREDICT)
    assert (options.status_code, options.content) == (204, b"")
    assert options.headers["allow"] == "OPTIONS, POST"


@pytest.mark.parametrize("path", ["/api/v1", "/api/v1/predict/x", "/api/v1/../etc/passwd"])
def test_a_wrong_path_is_a_problem(service: httpx2.Client, path: str) -> None:
    problem(service.post(path), 404)
    problem(service.get(path), 404)


def test_a_photo_may_come_under_any_image_type(service: httpx2.Client, collins: bytes) -> None:
    assert post(service, collins, kind="image/x-whatever").status_code == 200


@pytest.mark.parametrize("language", ["curl", "Python", "JavaScript"])
def test_the_documentation_s_examples_work(
    server: str, collins: bytes, tmp_path: Path, language: str
) -> None:
    page = httpx2.get(f"{server}/api/v1/docs").text
    code = html.unescape(re.findall(rf"<h3>{language}</h3><pre>(.*?)</pre>", page, re.DOTALL)[0])
    (tmp_path / "photo.jpg").write_bytes(collins)
    if language == "curl":
        if not shutil.which("curl"):
            pytest.skip("curl is not on PATH: apt-get install curl")
        command = code.split()
    elif language == "Python":
        command = [sys.executable, "-c", code]
    else:
        node = shutil.which("node", path=f"{Path(sys.executable).parent}:{ROOT}/.venv/bin:/usr/bin")
        if node is None:
            pytest.skip("node is not here: scripts/setup infra")
        (tmp_path / "a.mjs").write_text(code)
        command = [node, "a.mjs"]
    run = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert "male" in run.stdout or "uncertain" in run.stdout
