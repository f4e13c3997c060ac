import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from apparent.model import EMBEDDED
from predict.app import MAX_WAITING, create_app
from predict.loader import Loader
from predict.settings import Settings
from tests.predict.test_contract import post, problem


def test_a_photo_of_exactly_the_limit_is_looked_at(client: TestClient, collins: bytes) -> None:
    limit = Settings().max_bytes
    assert post(client, collins + bytes(limit - len(collins))).status_code == 200
    problem(post(client, collins + bytes(limit - len(collins) + 1)), 413)


def test_health_needs_no_model_and_the_rest_says_503(tmp_path: Path, collins: bytes) -> None:
    settings = Settings(model_uri=tmp_path.as_uri())
    with TestClient(create_app(settings), raise_server_exceptions=False) as client:
        assert client.get("/api/v1/health").json() == {"status": "ok"}
        response = post(client, collins)
        problem(response, 503)
        assert response.headers["retry-after"] == "1"
        problem(client.get("/api/v1/model"), 503)


def test_a_model_that_comes_later_is_found(tmp_path: Path, collins: bytes) -> None:
    settings = Settings(model_uri=(tmp_path / "model").as_uri())
    with TestClient(create_app(settings, Loader(settings, patience=0))) as client:
        problem(post(client, collins), 503)
        shutil.copytree(EMBEDDED, tmp_path / "model")
        assert post(client, collins).status_code == 200


def test_a_model_that_failed_is_not_asked_for_by_every_request(
    tmp_path: Path, collins: bytes
) -> None:
    settings = Settings(model_uri=(tmp_path / "model").as_uri())
    with TestClient(create_app(settings, Loader(settings, patience=3600))) as client:
        problem(post(client, collins), 503)
        shutil.copytree(EMBEDDED, tmp_path / "model")
        problem(post(client, collins), 503)


def test_more_photos_than_may_wait_are_throttled_until_some_are_done(collins: bytes) -> None:
    app = create_app(Settings())
    with TestClient(app) as client:
        assert client.portal is not None
        for _ in range(MAX_WAITING + (os.cpu_count() or 1)):
            client.portal.call(app.state.admission.acquire_nowait)
        response = post(client, collins)
        problem(response, 429)
        assert response.headers["retry-after"] == "1"
        client.portal.call(app.state.admission.release)
        assert post(client, collins).status_code == 200
        assert post(client, b"").status_code == 400
        assert post(client, collins).status_code == 200


@pytest.fixture
def cross_origin() -> Iterator[TestClient]:
    settings = Settings.model_validate({"allowed_origins": "https://a.example"})
    with TestClient(create_app(settings)) as client:
        yield client


def test_only_allowed_origins_may_read_answers(cross_origin: TestClient) -> None:
    def allowed(origin: str) -> str | None:
        response = cross_origin.get("/api/v1/health", headers={"origin": origin})
        return response.headers.get("access-control-allow-origin")

    assert allowed("https://a.example") == "https://a.example"
    assert allowed("https://b.example") is None


def test_nothing_about_a_photo_is_logged(
    client: TestClient, collins: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level("DEBUG"):
        answer = post(client, collins).json()
        post(client, collins[:5000])
    logged = caplog.text
    assert str(answer["faces"][0]["age"]["years"]) not in logged
    assert json.dumps(answer["faces"][0]["box"]) not in logged
