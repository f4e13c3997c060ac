"""An S3 API on loopback, in memory, for tests and measurements: moto's server."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from scripts.commands.emulator import free_port


@contextmanager
def local_s3() -> Iterator[dict[str, str]]:
    """The environment variables by which AWS's clients find it, while it runs."""
    port = free_port()
    command = [sys.executable, "-W", "ignore", "-m", "moto.server", "-H", "127.0.0.1"]
    with subprocess.Popen(
        [*command, "-p", str(port)], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    ) as process:
        for line in process.stderr or ():
            if "Running on" in line:
                break
        try:
            yield {
                "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}",
                "AWS_ACCESS_KEY_ID": "local",
                "AWS_SECRET_ACCESS_KEY": "local",
                "AWS_DEFAULT_REGION": "us-east-1",
            }
        finally:
            process.terminate()
