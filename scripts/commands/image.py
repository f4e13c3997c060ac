"""Builds the image that AWS Lambda runs."""

import os
import re
import subprocess
import sys
from pathlib import Path

from infra.image import CONTEXT, DOCKERFILE, PLATFORMS, build_arguments
from scripts.commands.emulator import IMAGE, ContainerError, engine


def provide_base(arch: str, patience: float | None = None) -> None:
    """Pulls the base image where it is not here yet.

    Raises `ContainerError` where it does not come, or not within `patience` seconds.
    """
    base = os.environ.get("BASE_IMAGE") or _default_base()
    inspect = [engine(), "image", "inspect", base]
    if subprocess.run(inspect, capture_output=True, check=False).returncode == 0:
        return
    pull = [engine(), "pull", "--quiet", "--platform", PLATFORMS[arch], base]
    try:
        subprocess.run(pull, capture_output=True, check=True, text=True, timeout=patience)
    except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as error:
        reason = (error.stderr or "") if isinstance(error, subprocess.CalledProcessError) else ""
        raise ContainerError(
            f"The base image {base} is not here and cannot be pulled: {reason.strip() or error}. "
            "Pull it where a registry can be reached, or name another Debian with Python 3.13: "
            "BASE_IMAGE="
        ) from error


def _default_base() -> str:
    dockerfile = (CONTEXT / DOCKERFILE).read_text()
    named = re.search(r"^ARG BASE_IMAGE=(\S+)$", dockerfile, re.MULTILINE)
    if named is None:
        raise ContainerError(f"{DOCKERFILE} names no default of BASE_IMAGE.")
    return named[1]


def build(arch: str) -> None:
    """Builds `IMAGE` for an architecture."""
    provide_base(arch)
    secrets = {
        "pip_conf": os.environ.get("PIP_CONFIG_FILE", "/etc/pip.conf"),
        "ca": os.environ.get("SSL_CERT_FILE", "/etc/ssl/certs/ca-certificates.crt"),
    }
    command = [engine(), "build", "--tag", IMAGE, "--platform", PLATFORMS[arch]]
    command += [f"--build-arg={name}={value}" for name, value in build_arguments().items()]
    command += [
        f"--secret=id={i},src={path}" for i, path in secrets.items() if Path(path).is_file()
    ]
    command.append(f"--file={CONTEXT / DOCKERFILE}")
    if subprocess.run([*command, str(CONTEXT)], stdout=sys.stderr, check=False).returncode:
        raise ContainerError("The image was not built; its last step says why.")
