import shutil
import signal
import subprocess

import httpx2
import pytest

from tests.conftest import ROOT, SAMPLES


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


def test_a_port_in_use_is_reported(server: str) -> None:
    port = server.rpartition(":")[2]
    command = [str(ROOT / "scripts" / "serve"), "--port", port]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode != 0
    assert result.stdout == ""
    assert "address already in use" in result.stderr


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
