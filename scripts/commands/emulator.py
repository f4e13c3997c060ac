"""The image in AWS's Lambda runtime interface emulator, as a container of this machine."""

import contextlib
import functools
import http.client
import os
import platform
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
import uuid
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from apparent.model.fetch import PackagedFile, fetch

IMAGE: Final = "apparent:latest"
TIMEOUT: Final = 15
"""Seconds that one photo may take."""
MEMORY: Final = 1769
"""Megabytes."""

_CACHE: Final = Path(__file__).parents[2] / ".venv"
_SAM_CLI: Final = "aws-sam-cli==1.170.0"
_EMULATORS: Final = {
    "x86_64": PackagedFile(
        _SAM_CLI,
        "samcli/local/rapid/aws-lambda-rie-x86_64",
        "6b1e686e62ab2baf5759c412c4864276ef2a88b094fca53ec070637ccba9b9a5",
    ),
    "arm64": PackagedFile(
        _SAM_CLI,
        "samcli/local/rapid/aws-lambda-rie-arm64",
        "ec2e5d09633d853834c008b1ef264bf834b258a94d551d2b2074966494b39a21",
    ),
}
"""By architecture."""


class ContainerError(RuntimeError):
    """The image cannot be built or run; the message says what to do."""


@functools.cache
def engine() -> str:
    """The container program: `$CONTAINER`, or podman or docker, whichever works.

    Raises `ContainerError` where none does; a program without its daemon does not.
    """
    candidates = filter(None, (os.environ.get("CONTAINER"), "podman", "docker"))
    present = [name for name in candidates if shutil.which(name)]
    for name in present:
        if _works(name):
            return name
    if present:
        raise ContainerError(
            f"{' and '.join(present)} cannot run containers here; `{present[0]} info` says why. "
            "Start its daemon, or install podman."
        )
    raise ContainerError(
        "Neither podman nor docker is on PATH. Install one, or name it: CONTAINER="
    )


def _works(program: str) -> bool:
    info = [program, "info"]
    try:
        return subprocess.run(info, capture_output=True, check=False, timeout=20).returncode == 0
    except (OSError, subprocess.TimeoutExpired):
        return False


def architecture() -> str:
    """Lambda's name for the architecture of this machine."""
    return "arm64" if platform.machine() in ("arm64", "aarch64") else "x86_64"


def runtime_emulator() -> Path:
    """The emulator's program for this machine's containers, fetched where it is not yet."""
    arch = architecture()
    program = fetch(_EMULATORS[arch], _CACHE / f"aws-lambda-rie-{arch}")
    program.chmod(0o755)
    return program


@dataclass
class Emulator:
    """A running container: AWS's emulator with the function inside."""

    address: str
    name: str
    runtime_port: int
    """Of 127.0.0.1 in the container, where the function asks for its events."""
    log: list[str] = field(default_factory=list)
    """What it has printed so far, by lines."""


@contextmanager
def emulator(
    memory: int = MEMORY,
    timeout: int = TIMEOUT,
    environment: Mapping[str, str] = {},
    network: str = "bridge",
    echo: bool = False,
) -> Iterator[Emulator]:
    """Runs `IMAGE` in AWS's emulator, hardened, with `memory` MB and `timeout` seconds a photo.

    Raises `ContainerError`.
    """
    rie = runtime_emulator()
    port = free_port()
    inside = str(port) if network == "host" else "8080"
    listen = f"{'127.0.0.1' if network == 'host' else '0.0.0.0'}:{inside}"  # noqa: S104
    name = f"apparent-{uuid.uuid4().hex[:8]}"
    running = Emulator(f"http://127.0.0.1:{port}", name, runtime_port=free_port())
    variables = {
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(memory),
        "AWS_LAMBDA_FUNCTION_TIMEOUT": str(timeout),
        **environment,
    }
    command = [engine(), "run", "--rm", f"--name={name}", f"--network={network}"]
    if network != "host":
        command.append(f"--publish=127.0.0.1:{port}:{inside}")
    command += ["--read-only", "--tmpfs=/tmp:rw,size=512m", "--cap-drop=ALL"]
    command += ["--security-opt=no-new-privileges", f"--memory={memory}m"]
    command += [f"--env={variable}" for variable in variables]  # no values: some are secret
    command += [f"--volume={rie}:/aws-lambda-rie:ro", "--entrypoint=/aws-lambda-rie", IMAGE]
    command += ["--runtime-interface-emulator-address", listen]
    command += ["--runtime-api-address", f"127.0.0.1:{running.runtime_port}"]
    command += ["/opt/venv/bin/python", "-m", "awslambdaric", "predict.handler.handler"]
    with (
        # podman's monitor leaves an empty file `oom` where it was started, once memory runs out.
        tempfile.TemporaryDirectory() as elsewhere,
        subprocess.Popen(
            command,
            cwd=elsewhere,
            env={**os.environ, **variables},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,  # Ctrl-C ends the gateway, which then ends the container
        ) as process,
    ):
        pump = threading.Thread(target=_pump, args=(process.stdout, running.log, echo))
        pump.start()
        try:
            _wait_until_it_listens(process, running)
            yield running
        finally:
            stop = [engine(), "stop", "--time=2", name]
            subprocess.run(stop, capture_output=True, check=False)
            process.wait()
            pump.join()


def _pump(lines: Iterable[str], log: list[str], echo: bool) -> None:
    for line in lines:
        log.append(line.rstrip("\n"))
        if echo:
            print(line, end="", file=sys.stderr, flush=True)


def _wait_until_it_listens(process: subprocess.Popen[str], running: Emulator) -> None:
    host = running.address.removeprefix("http://")
    while process.poll() is None:
        connection = http.client.HTTPConnection(host, timeout=5)
        with (
            contextlib.closing(connection),
            contextlib.suppress(OSError, http.client.HTTPException),
        ):
            connection.request("GET", "/")
            connection.getresponse().read()
            return
        time.sleep(0.02)
    raise ContainerError("The container ended at once: " + " ".join(running.log[-5:]))


def free_port() -> int:
    """A TCP port of 127.0.0.1 that nothing listens on."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
        return port
