"""An AWS on loopback that CloudFormation, Lambda and API Gateway can be tried on: MiniStack.

It runs functions as containers of this machine. Those reach its S3 through a Unix socket, because
it listens on 127.0.0.1 alone.
"""

import asyncio
import contextlib
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from scripts.commands.emulator import IMAGE, engine, free_port, runtime_emulator
from scripts.commands.local_s3 import wait_until_running

PACKAGES = ("ministack==1.5.33", "docker==7.2.0")
"""Not with the other packages: they want another botocore."""
ACCOUNT = "000000000000"
REGION = "us-east-1"
_INSIDE = 4566
_FORWARD = """
import asyncio, sys
async def copy(reader, writer):
    while data := await reader.read(65536):
        writer.write(data)
        await writer.drain()
    writer.close()
async def main():
    async def serve(reader, writer):
        there = await asyncio.open_unix_connection(sys.argv[2])
        await asyncio.gather(copy(reader, there[1]), copy(there[0], writer))
    server = await asyncio.start_server(serve, "127.0.0.1", int(sys.argv[1]))
    await server.serve_forever()
asyncio.run(main())
"""
_DOCKERFILE = f"""
FROM {IMAGE}
COPY aws-lambda-rie forward.py /
ENTRYPOINT ["/bin/sh", "-c", "/opt/venv/bin/python /forward.py {_INSIDE} /run/aws/socket & \\
exec /aws-lambda-rie /opt/venv/bin/python -m awslambdaric $0"]
CMD ["predict.handler.handler"]
"""


@dataclass(frozen=True)
class StandIn:
    """A running one."""

    environment: dict[str, str]
    """By which AWS's clients and the CDK find it."""
    address: str


def image_with_emulator(folder: Path, tag: str) -> None:
    """The image that Lambda runs, started by AWS's emulator, under the name that a template has."""
    shutil.copy(runtime_emulator(), folder / "aws-lambda-rie")
    (folder / "forward.py").write_text(_FORWARD)
    (folder / "Dockerfile").write_text(_DOCKERFILE)
    command = [engine(), "build", "--quiet", "--tag", tag, str(folder)]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)


@contextmanager
def stand_in(folder: Path) -> Iterator[StandIn]:
    """Installs and runs it in a folder; removes the containers that it made."""
    subprocess.run([sys.executable, "-m", "venv", folder / "venv"], check=True)
    pip = [str(folder / "venv" / "bin" / "pip"), "install", "--quiet", *PACKAGES]
    subprocess.run(pip, check=True, stderr=subprocess.DEVNULL)
    shared = folder / "aws"
    shared.mkdir()
    port = free_port()
    with (
        _docker_socket(folder / "docker.sock") as docker,
        _unix_socket(shared / "socket", port),
        subprocess.Popen(
            [folder / "venv" / "bin" / "ministack"],
            env={
                **os.environ,
                **docker,
                "BIND_HOST": "127.0.0.1",
                "GATEWAY_PORT": str(port),
                "LAMBDA_DOCKER_FLAGS": f"-v {shared}:/run/aws "
                f"-e AWS_ENDPOINT_URL=http://127.0.0.1:{_INSIDE}",
            },
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        ) as process,
    ):
        reader = wait_until_running(process.stdout)
        try:
            yield StandIn(
                {
                    "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}",
                    "AWS_ACCESS_KEY_ID": "test",
                    "AWS_SECRET_ACCESS_KEY": "test",
                    "AWS_REGION": REGION,
                    "AWS_DEFAULT_REGION": REGION,
                },
                f"http://127.0.0.1:{port}",
            )
        finally:
            process.terminate()  # which ends its containers
            process.wait(timeout=60)
            reader.join()


@contextmanager
def _docker_socket(path: Path) -> Iterator[dict[str, str]]:
    """The environment by which clients of Docker's API find the container program."""
    if Path(engine()).name != "podman":
        yield {}
        return
    address = f"unix://{path}"
    with subprocess.Popen(
        [engine(), "system", "service", "--time=0", address], stderr=subprocess.DEVNULL
    ) as process:
        try:
            yield {"DOCKER_HOST": address}
        finally:
            process.terminate()


@contextmanager
def _unix_socket(path: Path, port: int) -> Iterator[None]:
    """Passes what comes to a Unix socket on to a port of 127.0.0.1."""

    async def copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError):
            while data := await reader.read(65536):
                writer.write(data)
                await writer.drain()
        writer.close()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there = await asyncio.open_connection("127.0.0.1", port)
        await asyncio.gather(copy(reader, there[1]), copy(there[0], writer))

    loop = asyncio.new_event_loop()
    server = loop.run_until_complete(asyncio.start_unix_server(serve, path))
    path.chmod(0o777)  # the function runs as an unprivileged user
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    try:
        yield
    finally:
        server.close()
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()
