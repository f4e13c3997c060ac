"""Builds the image that AWS Lambda runs."""

import subprocess
import sys

from infra.image import CONTEXT, DOCKERFILE, PLATFORMS, build_arguments, build_secrets
from scripts.commands.base_image import provide_base
from scripts.commands.emulator import IMAGE, ContainerError, engine


def build(arch: str) -> None:
    """Builds `IMAGE` for an architecture."""
    provide_base(arch)
    command = [engine(), "build", "--tag", IMAGE, "--platform", PLATFORMS[arch]]
    command += [f"--build-arg={name}={value}" for name, value in build_arguments().items()]
    command += [f"--secret=id={name},src={path}" for name, path in build_secrets().items()]
    command.append(f"--file={CONTEXT / DOCKERFILE}")
    if subprocess.run([*command, str(CONTEXT)], stdout=sys.stderr, check=False).returncode:
        raise ContainerError("The image was not built; its last step says why.")
