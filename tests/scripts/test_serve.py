import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import httpx2
import pytest

from scripts.commands.serve import address
from tests.conftest import ROOT, SAMPLES, running


def test_curl_s_form_is_answered(server: str) -> None:
    """With the real curl, whose `Expect: 100-continue` and multipart framing are its own."""
    if not shutil.which("curl"):
        pytest.skip("curl is not on PATH: apt-get install curl")
    command = ["curl", "--silent", "--show-error", "-F", f"image=@{SAMPLES / 'grace_hopper.jpg'}"]
    answer = subprocess.run([*command, f"{server}/api/v1/predict"], capture_output=True, check=True)
    assert answer.stdout.count(b'"detection_score"') == 1


def test_a_large_body_gets_its_answer_not_a_broken_connection(server: str) -> None:
    for size in (7_000_000, 30_000_000):
        headers = {"content-type": "image/jpeg"}
        response = httpx2.post(f"{server}/api/v1/predict", content=bytes(size), headers=headers)
        assert response.status_code == 413
        assert response.headers["content-type"] == "application/problem+json"


def test_the_page_is_served_with_headers_that_keep_it_to_itself(server: str) -> None:
    response = httpx2.get(server)
    assert "text/html" in response.headers["content-type"]
    assert "default-src 'self'" in response.headers["content-security-policy"]
    assert response.headers["referrer-policy"] == "no-referrer"
    assert httpx2.get(f"{server}/nothing.html").status_code == 404
    assert httpx2.get(f"{server}/%2e%2e/pyproject.toml").status_code == 404


def test_what_the_device_needs_is_served_as_what_it_is(server: str) -> None:
    index = httpx2.get(f"{server}/on-device/bundle.json").json()
    for role, kind in {"runtime": "javascript", "wasm": "wasm", "estimator": ""}.items():
        file = index["files"][role]
        response = httpx2.get(f"{server}/on-device/{file['url']}")
        assert response.status_code == 200
        assert len(response.content) == file["bytes"]
        assert "content-encoding" not in response.headers  # the page unpacks it, and counts
        assert kind in response.headers["content-type"]
    policy = httpx2.get(server).headers["content-security-policy"]
    assert "script-src 'self' 'wasm-unsafe-eval';" in policy


@pytest.mark.parametrize("more", [[], ["--no-service"]])
def test_a_port_or_host_that_cannot_be_had_is_a_sentence(more: list[str], server: str) -> None:
    taken = str(httpx2.URL(server).port)
    for name, value, why in (
        ("--port", "99999", "must be 0-65535"),
        ("--port", taken, "already in use"),
        ("--host", "192.0.2.1", "annot assign requested address"),
        ("--host", "no host", "not known"),
    ):
        command = [str(ROOT / "scripts" / "serve"), name, value, *more]
        result = subprocess.run(command, capture_output=True, text=True, check=False)
        assert (result.returncode, result.stdout) == (2, "")
        told = result.stderr.splitlines()[-1]
        assert told.startswith("error: http://")
        assert why in told
        assert "Traceback" not in result.stderr


def test_the_page_alone_leaves_nothing_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    with running(["serve", "--no-service", "--port", "0"]):
        assert list(tmp_path.iterdir())
    assert not list(tmp_path.iterdir())


def test_the_page_alone_without_its_files_says_what_to_run(tmp_path: Path) -> None:
    """As on a clone that was set up without npm."""
    skipped = shutil.ignore_patterns("on-device", "node_modules", "cdk.out", "__pycache__")
    for name in ("infra", "scripts", "site"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=skipped)
    result = subprocess.run(
        [sys.executable, "-m", "scripts.commands.serve", "--no-service", "--port", "0"],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": f"{tmp_path}:{ROOT / 'functions'}"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 2
    assert result.stderr.startswith("error: What the page needs to answer on its own is not here")
    assert "scripts/setup infra" in result.stderr


def test_a_wrong_setting_ends_the_start_with_a_sentence() -> None:
    result = subprocess.run(
        [ROOT / "scripts" / "serve"],
        env={"PATH": "/usr/bin:/bin", "APPARENT_MAX_BYTES": "lots"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 2
    assert "APPARENT_MAX_BYTES" in result.stderr


def test_ctrl_c_ends_it_quietly() -> None:
    command = [str(ROOT / "scripts" / "serve"), "--port", "0"]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=20)
        assert process.returncode in (0, 130, -signal.SIGINT)
        assert "Traceback" not in errors


def test_the_address_that_it_says_can_be_opened() -> None:
    assert address("127.0.0.1", 80) == "http://127.0.0.1:80/"
    assert address("::1", 8000) == "http://[::1]:8000/"
