import json
import shutil
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from pathlib import Path
from typing import Any, cast

import pytest
from fastapi.testclient import TestClient

from apparent.cpus import usable_cpus
from apparent.errors import UndecodablePhoto
from apparent.model import CARD, EMBEDDED
from apparent.pipeline import Pipeline
from apparent.results import Faces
from predict.app import MAX_WAITING, create_app
from predict.loader import Loader
from predict.measurements import Measurements
from predict.schemas import ModelDescription
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
        assert response.headers["retry-after"] == "30"
        problem(client.get("/api/v1/model"), 503)


def test_a_bundle_whose_chips_have_another_size_than_its_network_s_is_no_model(
    tmp_path: Path, collins: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    shutil.copytree(EMBEDDED, tmp_path / "model")
    path = tmp_path / "model" / "manifest.json"
    manifest = json.loads(path.read_text())
    manifest["input"]["chip_size"] = 112
    path.write_text(json.dumps(manifest))
    settings = Settings(model_uri=(tmp_path / "model").as_uri())
    with TestClient(create_app(settings)) as client:
        problem(post(client, collins), 503)
    assert "112" in caplog.text


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
        for _ in range(MAX_WAITING + usable_cpus()):
            client.portal.call(app.state.admission.acquire_nowait)
        response = post(client, collins)
        problem(response, 429)
        assert response.headers["retry-after"] == "1"
        client.portal.call(app.state.admission.release)
        assert post(client, collins).status_code == 200
        assert post(client, b"").status_code == 400
        assert post(client, collins).status_code == 200


class Opened:
    """A loader whose pipeline does what the test says."""

    def __init__(self, pipeline: Callable[[bytes], Faces]) -> None:
        self.pipeline: Future[Callable[[bytes], Faces]] = Future()
        self.pipeline.set_result(pipeline)

    def attempt(self) -> "Future[Callable[[bytes], Faces]]":
        return self.pipeline


def failing(error: Exception) -> Loader:
    def fail(photo: bytes) -> Faces:
        raise error

    return cast(Loader, Opened(fail))


def test_a_failure_is_logged_as_a_json_line_without_what_it_was_about(
    collins: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    """As infra's alarm looks for it: `$.level = ERROR`."""
    from predict.telemetry import Telemetry, logger

    failing_app = create_app(Settings(), failing(RuntimeError("34.2 years")))
    app = Telemetry(failing_app, ["/api/v1/predict"])
    with TestClient(app, raise_server_exceptions=False) as client:
        response = post(client, collins)
    assert "34.2" not in problem(response, 500)["detail"]
    (record,) = [record for record in caplog.records if record.levelname == "ERROR"]
    line = logger.registered_handler.format(record)
    told = json.loads(line)
    assert told["level"] == "ERROR"
    assert "RuntimeError" in told["message"]
    assert told["path"] == "/api/v1/predict"
    assert any("test_app.py" in frame for frame in told["trace"])
    assert "34.2" not in line


class Blurred(UndecodablePhoto):
    """A kind of error that somebody adds later."""


def test_a_new_kind_of_a_known_error_is_answered_as_that(collins: bytes) -> None:
    with TestClient(create_app(Settings(), failing(Blurred("Too blurred.")))) as client:
        assert problem(post(client, collins), 422)["detail"] == "Too blurred."


def test_the_model_s_description_is_small_and_sent_once(client: TestClient) -> None:
    first = client.get("/api/v1/model")
    assert len(first.content) < 16_000
    ModelDescription.model_validate(first.json())
    assert "max-age=" in first.headers["cache-control"]
    again = client.get("/api/v1/model", headers={"if-none-match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    other = client.get("/api/v1/model", headers={"if-none-match": '"of another bundle"'})
    assert other.status_code == 200


def test_a_card_that_cannot_be_read_is_no_failure_of_the_service(
    tmp_path: Path, collins: bytes
) -> None:
    shutil.copytree(EMBEDDED, tmp_path / "model")
    settings = Settings(model_uri=(tmp_path / "model").as_uri())
    with TestClient(create_app(settings), raise_server_exceptions=False) as client:
        assert post(client, collins).status_code == 200
        whole = (tmp_path / "model" / CARD).read_bytes()
        (tmp_path / "model" / CARD).write_bytes(b"damaged")
        answer = client.get("/api/v1/model")
        problem(answer, 503)
        assert answer.headers["retry-after"] == "1"
        (tmp_path / "model" / CARD).write_bytes(whole)
        assert client.get("/api/v1/model").status_code == 200


def test_the_documentation_s_example_asks_the_service_that_shows_it(client: TestClient) -> None:
    page = client.get("/api/v1/docs", headers={"host": "faces.example"}).text
    assert "curl -F image=@photo.jpg http://faces.example/api/v1/predict" in page


def test_metrics_are_the_measurements_of_the_answer(collins: bytes, pipeline: Pipeline) -> None:
    scope: dict[str, Any] = {}
    Measurements.of(pipeline(collins)).attach(scope)
    told = Measurements.attached(scope)
    assert told["faces"] == 1
    assert told["model_version"] == pipeline.manifest.version
    assert told.keys() >= {"decode_ms", "detect_ms", "estimate_ms", "total_ms"}
    assert Measurements.attached({}) == {}


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
