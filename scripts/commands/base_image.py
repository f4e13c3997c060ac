"""The image that ours is built on: pulled where it is missing, pinned to what its tag is today."""

import json
import os
import re
import subprocess
from pathlib import Path
from typing import Any, Final

from infra.image import CONTEXT, DOCKERFILE, PLATFORMS
from scripts.commands.emulator import ContainerError, engine

_DEFAULT: Final = re.compile(r"(?<=^ARG BASE_IMAGE=)\S+$", re.MULTILINE)


def provide_base(arch: str, patience: float | None = None) -> None:
    """Pulls the base image where it is not here yet.

    Raises `ContainerError` where it does not come, or not within `patience` seconds.
    """
    base = os.environ.get("BASE_IMAGE") or default_base(CONTEXT / DOCKERFILE)
    inspect = [engine(), "image", "inspect", base]
    if subprocess.run(inspect, capture_output=True, check=False).returncode:
        _pull(base, PLATFORMS[arch], patience)


def renew(dockerfile: Path, arch: str) -> str:
    """Pins the base in `dockerfile` to the digest that its tag has today; returns its new name.

    Raises `ContainerError` where the registry does not answer, or lacks one of our platforms.
    """
    pinned = default_base(dockerfile)
    tagged, _, _ = pinned.partition("@")
    repository, _, _ = tagged.rpartition(":")
    _pull(tagged, PLATFORMS[arch], None)
    (image,) = json.loads(_asked("image", "inspect", tagged))
    digests = [digest.partition("@")[2] for digest in image["RepoDigests"]]
    # Of all platforms together, which is what a build for either of them needs, or of this one.
    for digest in digests:
        if _is_for_all(f"{repository}@{digest}"):
            renewed = f"{tagged}@{digest}"
            dockerfile.write_text(_DEFAULT.sub(renewed, dockerfile.read_text()))
            return renewed
    raise ContainerError(
        f"{tagged} is not for all of {', '.join(PLATFORMS.values())}. {dockerfile.name} goes on "
        f"naming {pinned}."
    )


def default_base(dockerfile: Path) -> str:
    """The base where `$BASE_IMAGE` does not name another."""
    named = _DEFAULT.search(dockerfile.read_text())
    if named is None:
        raise ContainerError(f"{dockerfile} names no default of BASE_IMAGE.")
    return named[0]


def _is_for_all(name: str) -> bool:
    try:
        manifests = json.loads(_asked("manifest", "inspect", name)).get("manifests", [])
    except ContainerError:
        return False
    found = {"/".join((m["platform"]["os"], m["platform"]["architecture"])) for m in manifests}
    return found >= set(PLATFORMS.values())


def _pull(name: str, platform: str, patience: float | None) -> None:
    pull = [engine(), "pull", "--quiet", "--platform", platform, name]
    try:
        subprocess.run(pull, capture_output=True, check=True, text=True, timeout=patience)
    except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as error:
        reason = (error.stderr or "") if isinstance(error, subprocess.CalledProcessError) else ""
        raise ContainerError(
            f"The base image {name} is not here and cannot be pulled: {reason.strip() or error}. "
            "Pull it where a registry can be reached, or name another Debian with Python 3.13: "
            "BASE_IMAGE="
        ) from error


def _asked(*question: str) -> Any:
    result = subprocess.run([engine(), *question], capture_output=True, text=True, check=False)
    if result.returncode:
        raise ContainerError(f"{' '.join(question)} failed: {result.stderr.strip()}")
    return result.stdout
