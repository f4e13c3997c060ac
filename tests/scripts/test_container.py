"""What the image does beyond the HTTP contract, on AWS's emulator."""

import json
import re
import shutil
import socket
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx2
import numpy as np
import pytest
from PIL import Image
from starlette.testclient import TestClient

from apparent.model import EMBEDDED, MANIFEST, store
from apparent.model.publish import publish
from scripts.commands.emulator import Emulator, emulator, engine
from scripts.commands.gateway import MAX_BODY, gateway_app
from scripts.commands.serve import SITE
from tests.conftest import ROOT, encoded
from tests.predict.test_contract import PREDICT, post, problem

pytestmark = [pytest.mark.container, pytest.mark.usefixtures("image")]
EMBEDDED_MANIFEST = store.manifest_of(EMBEDDED)
VERSION = EMBEDDED_MANIFEST.version
ESTIMATOR = EMBEDDED_MANIFEST.estimator.path


@contextmanager
def function(timeout: int = 15, **options: Any) -> Iterator[tuple[TestClient, Emulator]]:
    """A client of a container of its own, and its log."""
    with (
        emulator(timeout=timeout, **options) as running,
        TestClient(gateway_app(running.address, timeout, SITE)) as client,
    ):
        yield client, running


def refused(response: httpx2.Response, status: int) -> None:
    """As API Gateway does it, in words of its own."""
    assert response.status_code == status
    assert response.json().keys() == {"message"}


def inspect(image: str, template: str) -> str:
    command = [engine(), "image", "inspect", "--format", template, image]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def reports(running: Emulator) -> list[dict[str, Any]]:
    """The function's own lines of log, which are JSON."""
    return [json.loads(line) for line in running.log if line.startswith("{")]


def test_the_image_is_small_unprivileged_and_says_what_it_holds(image: str) -> None:
    assert int(inspect(image, "{{.Size}}")) <= 330_000_000
    assert inspect(image, "{{.Config.User}}") == "993:990"
    labels = json.loads(inspect(image, "{{json .Config.Labels}}"))
    assert labels["apparent.model.sha256"].startswith(VERSION)
    assert re.fullmatch(r"\d+\.\d+\.\d+", labels["org.opencontainers.image.version"])
    assert labels["apparent.code.licence"] == labels["apparent.detector.licence"] == "MIT"
    assert labels["apparent.model.licence"] == "non-commercial research"


def printed(image: str, *command: str) -> str:
    """By a program of the image."""
    run = [engine(), "run", "--rm", "--network=none", f"--entrypoint={command[0]}", image]
    result = subprocess.run([*run, *command[1:]], check=True, capture_output=True, text=True)
    return result.stdout


def test_the_image_lists_what_it_holds_and_on_which_terms(image: str) -> None:
    document = json.loads(printed(image, "cat", "/usr/share/doc/apparent/sbom.cdx.json"))
    purls = {component.get("purl", "") for component in document["components"]}
    listed = {purl for purl in purls if purl.startswith("pkg:pypi/")}
    program = (
        "from importlib.metadata import distributions\n"
        'for d in distributions(): print(f\'pkg:pypi/{d.name.lower().replace("_", "-")}'
        "@{d.version}')"
    )
    assert listed == set(printed(image, "/opt/venv/bin/python", "-c", program).split())
    assert not any("cyclonedx" in purl for purl in listed)
    debian = printed(image, "dpkg-query", "--show", "--showformat=${Package}@${Version}\n").split()
    assert len([purl for purl in purls if purl.startswith("pkg:deb/")]) == len(debian)
    notices = printed(image, "cat", "/usr/share/doc/apparent/THIRD-PARTY-NOTICES.txt")
    assert "Shiqi Yu" in notices
    assert all(
        f"\n{purl.rpartition('/')[2].partition('@')[0]}" in notices.lower().replace("_", "-")
        for purl in listed
    )
    licence = printed(image, "cat", "/usr/share/doc/apparent/LICENSE")
    assert licence == (ROOT / "LICENSE").read_text()


def test_the_page_is_served_beside_the_api(container: httpx2.Client) -> None:
    response = container.get("/")
    assert "text/html" in response.headers["content-type"]
    assert "default-src 'self'" in response.headers["content-security-policy"]


def test_photos_sent_at_once_are_all_answered(
    container: httpx2.Client, collins: bytes, hopper: bytes
) -> None:
    photos = [collins, hopper] * 6
    with ThreadPoolExecutor(len(photos)) as pool:
        answers = list(pool.map(lambda photo: post(container, photo).json(), photos))
    assert [answer["image"]["height"] for answer in answers] == [512, 600] * 6
    assert all(answer["faces"] == answers[i % 2]["faces"] for i, answer in enumerate(answers))


def test_more_photos_than_may_wait_are_throttled(container: httpx2.Client, hopper: bytes) -> None:
    with ThreadPoolExecutor(60) as pool:
        statuses = list(pool.map(lambda _: post(container, hopper).status_code, range(60)))
    assert set(statuses) == {200, 503}  # as where no more functions may run at once


def test_a_photo_of_lambda_s_limit_is_answered_and_one_byte_more_is_not(
    container: httpx2.Client, collins: bytes
) -> None:
    jpeg = {"content-type": "image/jpeg"}
    fitting = collins + bytes(MAX_BODY - len(collins))
    assert container.post(PREDICT, content=fitting, headers=jpeg).status_code == 200
    refused(container.post(PREDICT, content=fitting + b"\0", headers=jpeg), 413)


@pytest.mark.parametrize(("kind", "side"), [("PNG", 4898), ("WEBP", 4898), ("JPEG", 8000)])
def test_the_most_pixels_accepted_fit_into_the_least_memory(
    container: httpx2.Client, kind: str, side: int
) -> None:
    photo = encoded(Image.new("RGB", (side, side), "teal"), kind)
    assert post(container, photo).status_code == 200


def test_it_logs_and_measures_but_tells_nothing_of_the_photo(hopper: bytes) -> None:
    with function() as (client, running):
        answer = post(client, hopper).json()
        post(client, hopper[:5000])
    lines = [line for line in reports(running) if line.get("message") == "answered"]
    assert [line["status"] for line in lines] == [200, 422]
    assert [line["cold_start"] for line in lines] == [True, False]
    assert all(line["function_request_id"] for line in lines)
    assert lines[0]["faces"] == 1
    assert lines[0]["model_version"] == VERSION
    assert {"decode_ms", "detect_ms", "estimate_ms", "total_ms"} <= lines[0].keys()
    metrics = [line for line in reports(running) if "_aws" in line]
    assert [line["estimate_ms"] for line in metrics if "estimate_ms" in line] == [
        [lines[0]["estimate_ms"]]
    ]
    (face,) = answer["faces"]
    told = {key for line in lines + metrics for key in line}
    assert not told & {"age", "years", "gender", "label", "box", "landmarks", "image", "width"}
    durations = r'(?i)(_ms"?: *\[?|duration\w*: *)[\d.]+'  # whose digits may be the same by chance
    log = re.sub(durations, r"\1", "\n".join(running.log))
    assert str(face["age"]["years"]) not in log
    assert str(face["gender"]["probability"]) not in log
    assert str(face["landmarks"][0]["x"]) not in log


def test_nothing_is_written_while_it_works(hopper: bytes) -> None:
    with function() as (client, running):
        assert post(client, hopper).status_code == 200
        command = [engine(), "exec", running.name, "find", "/tmp", "-type", "f"]
        assert subprocess.run(command, check=True, capture_output=True).stdout == b""
        command = [engine(), "exec", running.name, "touch", "/var/task/file"]
        assert subprocess.run(command, check=False, capture_output=True).returncode != 0


def test_a_photo_that_exhausts_the_memory_harms_only_itself(hopper: bytes) -> None:
    with function(memory=300) as (client, running):
        assert post(client, hopper).status_code == 200
        refused(post(client, encoded(np.zeros((4890, 4890, 3), np.uint8))), 500)
        assert post(client, hopper).status_code == 200
    assert any("killed" in line for line in running.log)  # which is whole only now


@pytest.fixture
def on_s3(s3: Any, aws: dict[str, str], other_model: Path) -> dict[str, str]:
    """The environment of a function that takes another model than its own from S3."""
    del s3
    return {"APPARENT_MODEL_URI": publish(other_model, "s3://bucket/models"), **aws}


def test_the_model_is_taken_from_s3(
    on_s3: dict[str, str], other_model: Path, hopper: bytes
) -> None:
    version = store.manifest_of(other_model).version
    assert version != VERSION
    with function(environment=on_s3, network="host") as (client, _):
        assert post(client, hopper).json()["model"]["version"] == version
        assert client.get("/api/v1/model").json()["version"] == version


def test_its_own_model_is_not_fetched_from_s3(s3: Any, aws: dict[str, str], hopper: bytes) -> None:
    del s3
    uri = publish(EMBEDDED, "s3://bucket/models")
    nowhere = aws | {"AWS_ENDPOINT_URL": "http://127.0.0.1:1", "APPARENT_MODEL_URI": uri}
    with function(environment=nowhere, network="host") as (client, _):
        assert post(client, hopper).json()["model"]["version"] == VERSION


def test_another_file_than_the_manifest_s_is_refused_and_the_log_says_so(
    s3: Any, on_s3: dict[str, str], hopper: bytes
) -> None:
    key = on_s3["APPARENT_MODEL_URI"].removeprefix("s3://bucket/") + ESTIMATOR
    s3.put_object(Bucket="bucket", Key=key, Body=b"other")
    with function(environment=on_s3, network="host") as (client, running):
        problem(post(client, hopper), 503)
        problem(client.get("/api/v1/model"), 503)
        assert client.get("/api/v1/health").status_code == 200
    (alarm,) = [line for line in reports(running) if line.get("level") == "ERROR"]
    assert f"{ESTIMATOR} in {on_s3['APPARENT_MODEL_URI']} has sha256" in alarm["message"]


def test_a_missing_object_is_503(s3: Any, on_s3: dict[str, str], hopper: bytes) -> None:
    key = on_s3["APPARENT_MODEL_URI"].removeprefix("s3://bucket/") + MANIFEST
    s3.delete_object(Bucket="bucket", Key=key)
    with function(environment=on_s3, network="host") as (client, running):
        problem(post(client, hopper), 503)
    assert any(f"no {MANIFEST}" in line.get("message", "") for line in reports(running))


@pytest.mark.parametrize(("timeout", "status"), [(15, 503), (2, 500)])
def test_an_s3_that_hangs_ends_in_an_answer(
    on_s3: dict[str, str], hopper: bytes, timeout: int, status: int
) -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        hanging = {"AWS_ENDPOINT_URL": f"http://127.0.0.1:{silent.getsockname()[1]}"}
        with function(timeout, environment=on_s3 | hanging, network="host") as (client, _):
            assert post(client, hopper).status_code == status


def test_a_container_that_is_gone_is_a_problem_too(hopper: bytes) -> None:
    with function() as (client, running):
        subprocess.run([engine(), "kill", running.name], check=True, capture_output=True)
        refused(post(client, hopper), 500)


@contextmanager
def connections(running: Emulator, log: Path) -> Iterator[set[tuple[str, int]]]:
    """Hosts and ports that anything in the container tries to reach, filled in at the end."""
    if not shutil.which("strace"):
        pytest.skip("strace is not on PATH: apt-get install strace")
    command = [engine(), "inspect", "--format", "{{.State.Pid}}", running.name]
    pid = subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()
    command = ["strace", "-f", "-e", "trace=connect,sendto,sendmsg", "-o", str(log), "-p", pid]
    reached: set[tuple[str, int]] = set()
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as trace:
        assert trace.stderr is not None
        assert "attached" in trace.stderr.readline()
        yield reached
        trace.terminate()
    inet = r'sin6?_port=htons\((\d+)\).*?inet_(?:addr\(|pton\(AF_INET6, )"([^"]+)"'
    reached |= {(host, int(port)) for port, host in re.findall(inet, log.read_text())}


@pytest.mark.parametrize("model", ["embedded", "s3"])
def test_it_tries_to_reach_no_host_but_s3(
    on_s3: dict[str, str], hopper: bytes, tmp_path: Path, model: str
) -> None:
    environment = on_s3 if model == "s3" else {}
    with function(environment=environment, network="host") as (client, running):
        with connections(running, tmp_path / "trace") as reached:
            assert post(client, hopper).status_code == 200
        s3 = ("127.0.0.1", int(on_s3["AWS_ENDPOINT_URL"].rpartition(":")[2]))
        own = ("127.0.0.1", running.runtime_port)
    assert reached == ({own, s3} if model == "s3" else {own})


def test_the_help_names_every_command() -> None:
    command = [str(ROOT / "scripts" / "container"), "--help"]
    text = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    assert all(name in text for name in ("build", "run", "test"))
