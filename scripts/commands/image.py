"""Builds the image that AWS Lambda runs."""

import os
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Final

from apparent.model import EMBEDDED, ESTIMATOR, MANIFEST
from apparent.model.bundle import Manifest
from scripts.commands.emulator import IMAGE, ContainerError, engine

_ROOT: Final = Path(__file__).parents[2]
CONTEXT: Final = _ROOT / "functions"
DOCKERFILE: Final = "predict/Dockerfile"
PLATFORMS: Final = {"x86_64": "linux/amd64", "arm64": "linux/arm64"}


def build_arguments() -> dict[str, str]:
    """Of the Dockerfile: what the labels say, and `$BASE_IMAGE` if that is set."""
    manifest = Manifest.model_validate_json((EMBEDDED / MANIFEST).read_bytes())
    arguments = {
        "VERSION": tomllib.loads((_ROOT / "pyproject.toml").read_text())["project"]["version"],
        "MODEL_SHA256": manifest.files[ESTIMATOR].sha256,
    }
    if "BASE_IMAGE" in os.environ:
        arguments["BASE_IMAGE"] = os.environ["BASE_IMAGE"]
    return arguments


def build(arch: str) -> None:
    """Builds `IMAGE` for an architecture."""
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
