"""The image that AWS Lambda runs, on this machine: built, served behind a gateway, tested."""

import argparse
import os
import signal
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Final

from functions.predict.artifacts import EMBEDDED
from functions.predict.manifest import ESTIMATOR, MANIFEST, Manifest
from scripts.commands.emulator import (
    IMAGE,
    MEMORY,
    TIMEOUT,
    ContainerError,
    architecture,
    emulator,
    engine,
)
from scripts.commands.gateway import gateway_app
from scripts.commands.serve import SITE, listen

ROOT: Final = Path(__file__).parents[2]
CONTEXT: Final = ROOT / "functions" / "predict"
PLATFORMS: Final = {"x86_64": "linux/amd64", "arm64": "linux/arm64"}


def build(arch: str) -> None:
    """Builds `IMAGE` for an architecture, on `$BASE_IMAGE` if that is set."""
    manifest = Manifest.model_validate_json((EMBEDDED / MANIFEST).read_bytes())
    arguments = {
        "VERSION": tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"],
        "MODEL_SHA256": manifest.files[ESTIMATOR].sha256,
    }
    if "BASE_IMAGE" in os.environ:
        arguments["BASE_IMAGE"] = os.environ["BASE_IMAGE"]
    secrets = {
        "pip_conf": os.environ.get("PIP_CONFIG_FILE", "/etc/pip.conf"),
        "ca": os.environ.get("SSL_CERT_FILE", "/etc/ssl/certs/ca-certificates.crt"),
    }
    command = [engine(), "build", "--tag", IMAGE, "--platform", PLATFORMS[arch]]
    command += [f"--build-arg={name}={value}" for name, value in arguments.items()]
    command += [
        f"--secret=id={i},src={path}" for i, path in secrets.items() if Path(path).is_file()
    ]
    if subprocess.run([*command, str(CONTEXT)], stdout=sys.stderr, check=False).returncode:
        raise ContainerError("The image was not built; its last step says why.")


def serve(args: argparse.Namespace) -> None:
    """The page, and the API in the container, until interrupted."""
    variables = {
        name: value for name, value in os.environ.items() if name.startswith(("APPARENT_", "AWS_"))
    }
    with emulator(args.memory, args.timeout, variables, args.network, echo=True) as running:
        listen(gateway_app(running.address, args.timeout, SITE), args.host, args.port)


def main() -> int:
    """Does what the command line says."""
    parser = argparse.ArgumentParser(prog="scripts/container", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    builder = commands.add_parser("build", help="build the image; $BASE_IMAGE replaces its base")
    builder.add_argument("--arch", choices=PLATFORMS, default=architecture())
    runner = commands.add_parser(
        "run", help="page and API, through AWS's emulator; APPARENT_* and AWS_* are passed on"
    )
    runner.add_argument("--host", default="127.0.0.1")
    runner.add_argument("--port", type=int, default=9000)
    runner.add_argument("--memory", type=int, default=MEMORY, metavar="MB")
    runner.add_argument("--timeout", type=int, default=TIMEOUT, metavar="SECONDS")
    runner.add_argument(
        "--network", default="bridge", help="the container's; `host` for a local S3"
    )
    tester = commands.add_parser("test", help="the API's tests against the image, and its own")
    tester.add_argument("pytest", nargs=argparse.REMAINDER, help="pytest's arguments")
    args = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that the container is ended too
    try:
        if args.command == "test":
            tests = ["tests/functions", "tests/scripts", "-m", "container", *args.pytest]
            return subprocess.run(
                [sys.executable, "-m", "pytest", *tests], cwd=ROOT, check=False
            ).returncode
        build(args.arch if args.command == "build" else architecture())
        if args.command == "run":
            serve(args)
    except (ContainerError, subprocess.CalledProcessError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
