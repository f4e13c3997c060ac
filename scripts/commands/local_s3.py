"""An S3 API on loopback, in memory, for tests and measurements: moto's server."""

import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO

from scripts.commands.emulator import free_port


@contextmanager
def local_s3(*options: str) -> Iterator[dict[str, str]]:
    """The environment variables by which AWS's clients find it, while it runs.

    `options` are more of moto's, by which it speaks TLS, for example.
    """
    port = free_port()
    command = [sys.executable, "-W", "ignore", "-m", "moto.server", "-H", "127.0.0.1"]
    with subprocess.Popen(
        [*command, "-p", str(port), *options],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        reader = wait_until_running(process.stderr)
        try:
            yield {
                "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}",
                "AWS_ACCESS_KEY_ID": "local",
                "AWS_SECRET_ACCESS_KEY": "local",
                "AWS_DEFAULT_REGION": "us-east-1",
            }
        finally:
            process.terminate()
            reader.join()  # before the pipe is closed


def wait_until_running(log: IO[str] | None) -> threading.Thread:
    """Reads a server's log until it runs, and on in a thread: it logs every request, and where
    nobody reads the pipe it fills, and the server waits for ever. The thread ends with the log.
    """
    lines = iter(log or ())
    if not any("Running on" in line for line in lines):
        raise RuntimeError("The server ended at once; is it installed? scripts/setup test")
    reader = threading.Thread(target=lambda: [None for _ in lines], daemon=True)
    reader.start()
    return reader
