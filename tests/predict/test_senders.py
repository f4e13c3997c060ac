"""Senders that leave, stall or are too many; pages of other sites."""

import json
import socket
from collections.abc import Awaitable, Callable, Iterator
from typing import Any
from urllib.parse import urlsplit

import anyio
import httpx2
import pytest
from anyio.from_thread import start_blocking_portal
from fastapi import FastAPI
from fastapi.testclient import TestClient

from predict import upload
from predict.app import MAX_WAITING, create_app
from predict.settings import Settings
from predict.upload import Memory, MemoryFull
from scripts.commands.events import asgi_scope
from tests.predict.test_app import failing
from tests.predict.test_contract import PREDICT, post, problem


def answer(app: FastAPI, receive: Callable[[], Awaitable[dict[str, Any]]]) -> dict[str, Any]:
    """The problem that the application answers to a sender whose messages are these."""
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    with start_blocking_portal() as portal:
        portal.call(app, asgi_scope("POST", PREDICT, "image/jpeg"), receive, send)
    body: dict[str, Any] = json.loads(sent[1]["body"])
    assert body["status"] == sent[0]["status"]
    return body


@pytest.fixture(scope="module")
def app() -> FastAPI:
    return create_app(Settings())


def test_a_sender_who_leaves_is_no_failure(app: FastAPI, caplog: pytest.LogCaptureFixture) -> None:
    async def receive() -> dict[str, Any]:
        return {"type": "http.disconnect"}

    told = answer(app, receive)
    assert told["status"] == 400
    assert "broke off" in told["detail"]
    assert not [record for record in caplog.records if record.levelname == "ERROR"]


@pytest.mark.parametrize("limit", ["STALL_SECONDS", "BODY_SECONDS"])
def test_a_sender_who_stalls_is_given_up(
    app: FastAPI, monkeypatch: pytest.MonkeyPatch, limit: str
) -> None:
    monkeypatch.setattr(upload, limit, 0)
    received: list[int] = []

    async def receive() -> dict[str, Any]:
        if received:
            await anyio.sleep_forever()
        received.append(1)
        return {"type": "http.request", "body": b"\xff\xd8", "more_body": True}

    assert answer(app, receive)["status"] == 400


def test_many_who_stall_keep_no_other_waiting(server: str, collins: bytes) -> None:
    where = urlsplit(server)
    head = f"POST {PREDICT} HTTP/1.1\r\nHost: x\r\nContent-Type: image/jpeg\r\n"
    stalled = [
        socket.create_connection((str(where.hostname), where.port or 0))
        for _ in range(MAX_WAITING + 40)
    ]
    try:
        for connection in stalled:
            connection.sendall(f"{head}Content-Length: 100000\r\n\r\n".encode() + collins[:1000])
        files = {"image": ("a.jpg", collins, "image/jpeg")}
        assert httpx2.post(f"{server}{PREDICT}", files=files, timeout=60).status_code == 200
    finally:
        for connection in stalled:
            connection.close()
    assert httpx2.get(f"{server}/api/v1/health", timeout=60).status_code == 200


def test_bytes_in_memory_are_bounded_and_given_back() -> None:
    memory = Memory(10)
    with memory.held() as first:
        first(8)
        with memory.held() as second:
            second(2)
            with pytest.raises(MemoryFull):
                second(1)
        first(2)
    with memory.held() as again:
        again(10)


def test_more_bytes_than_there_is_memory_for_are_throttled(app: FastAPI, collins: bytes) -> None:
    with TestClient(app) as client:
        app.state.memory, before = Memory(1000), app.state.memory
        response = post(client, collins)
        app.state.memory = before
        problem(response, 429)
        assert response.headers["retry-after"] == "1"
        assert post(client, collins).status_code == 200


def test_a_photo_that_the_memory_does_not_suffice_for_may_come_again(collins: bytes) -> None:
    with TestClient(create_app(Settings(), failing(MemoryError()))) as client:
        response = post(client, collins)
        assert "memory" in problem(response, 503)["detail"]
        assert response.headers["retry-after"] == "1"


ORIGIN = {"origin": "https://a.example"}


@pytest.fixture
def cross_origin() -> Iterator[TestClient]:
    settings = Settings.model_validate({"allowed_origins": ORIGIN["origin"]})
    app = create_app(settings, failing(RuntimeError()))
    with TestClient(app, headers=ORIGIN, raise_server_exceptions=False) as client:
        yield client


def test_a_page_of_an_allowed_origin_may_read_every_refusal(
    cross_origin: TestClient, collins: bytes
) -> None:
    responses = {
        404: cross_origin.get("/api/v1/nothing"),
        405: cross_origin.get(PREDICT),
        413: post(cross_origin, bytes(7_000_000)),
        415: post(cross_origin, collins, kind="text/plain"),
        500: post(cross_origin, collins),
        200: cross_origin.get("/api/v1/health"),
    }
    for status, response in responses.items():
        assert response.status_code == status
        assert response.headers["access-control-allow-origin"] == ORIGIN["origin"]


def test_another_origin_s_preflight_is_refused_with_a_problem(cross_origin: TestClient) -> None:
    asked = {"access-control-request-method": "POST"}
    assert cross_origin.options(PREDICT, headers=asked).status_code == 200
    response = cross_origin.options(PREDICT, headers={"origin": "https://b.example", **asked})
    problem(response, 400)
    assert "access-control-allow-origin" not in response.headers
