"""Of a photo nothing stays, and nothing leaves: what the system calls say."""

import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import httpx2
import pytest

from scripts.commands.fuzz import PREDICT
from tests.conftest import ROOT, SAMPLES

WRITTEN = re.compile(r'openat\([^"]*"([^"]+)", [^)]*(?:O_WRONLY|O_RDWR|O_CREAT)')
REACHED = re.compile(r"(?:connect|sendto)\(.*sa_family=AF_INET6?")


@pytest.fixture
def strace(tmp_path: Path) -> list[str]:
    if not shutil.which("strace"):
        pytest.skip("strace is not on PATH: apt-get install strace")
    calls = "trace=openat,creat,connect,sendto,memfd_create"
    return ["strace", "-f", "-qq", "-e", calls, "-o", str(tmp_path / "calls")]


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    (tmp_path / "home").mkdir()
    return {
        "HOME": str(tmp_path / "home"),
        "PATH": "/usr/bin:/bin",
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONPATH": f"{ROOT}:{ROOT / 'functions'}",
    }


def check(tmp_path: Path) -> None:
    calls = (tmp_path / "calls").read_text(errors="replace")
    assert "openat" in calls
    assert [
        path for path in WRITTEN.findall(calls) if not path.startswith(("/dev/", "/proc/"))
    ] == []
    assert REACHED.findall(calls) == []
    assert list((tmp_path / "home").iterdir()) == []


def test_the_command_writes_no_file_and_reaches_no_host(
    strace: list[str], environment: dict[str, str], tmp_path: Path
) -> None:
    command = [sys.executable, "-m", "apparent.cli", "predict", str(SAMPLES / "grace_hopper.jpg")]
    subprocess.run([*strace, *command], env=environment, check=True, capture_output=True)
    check(tmp_path)


def test_the_service_writes_no_file_and_reaches_no_host(
    strace: list[str], environment: dict[str, str], tmp_path: Path, hopper: bytes
) -> None:
    command = [sys.executable, "-m", "scripts.commands.serve", "--port", "0"]
    with subprocess.Popen(
        [*strace, *command],
        env=environment,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as service:
        assert service.stdout is not None
        url = service.stdout.readline().split()[1].rstrip("/")
        try:
            statuses = [
                httpx2.post(f"{url}{PREDICT}", files={"image": photo}, timeout=60).status_code
                for photo in (hopper, hopper[:5000], b"")
            ]
        finally:
            os.killpg(service.pid, signal.SIGTERM)  # strace itself blocks it, and ends afterwards
    assert statuses == [200, 422, 400]
    check(tmp_path)
