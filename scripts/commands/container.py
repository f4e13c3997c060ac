"""The image that AWS Lambda runs, on this machine: built, served behind a gateway, tested."""

import argparse
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Final

from infra.image import CONTEXT, DOCKERFILE, PLATFORMS
from scripts.commands.base_image import renew
from scripts.commands.emulator import MEMORY, TIMEOUT, ContainerError, architecture, emulator
from scripts.commands.gateway import gateway_app
from scripts.commands.image import build
from scripts.commands.serve import SITE, ListenError, listen

ROOT: Final = Path(__file__).parents[2]


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
    commands.add_parser("renew", help="pin the base to what its tag is today, in the Dockerfile")
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
    ours, pytest_s = sys.argv[1:], []
    if ours[:1] == ["test"] and not {"-h", "--help"} & {*ours}:  # argparse would refuse options
        ours, pytest_s = ours[:1], ours[1:]
    args = parser.parse_args(ours)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that the container is ended too
    try:
        if args.command == "test":
            tests = ["tests/predict", "tests/scripts", "-m", "container", *pytest_s]
            return subprocess.run(
                [sys.executable, "-m", "pytest", *tests], cwd=ROOT, check=False
            ).returncode
        if args.command == "renew":
            print(renew(CONTEXT / DOCKERFILE, architecture()))
            return 0
        build(args.arch if args.command == "build" else architecture())
        if args.command == "run":
            serve(args)
    except (ContainerError, ListenError, subprocess.CalledProcessError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
