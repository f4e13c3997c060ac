"""What the image that AWS Lambda runs is built from, for the CDK and for `scripts/container`."""

import os
import tomllib
from pathlib import Path
from typing import Final

from apparent.model import EMBEDDED, store

_ROOT: Final = Path(__file__).parents[1]
CONTEXT: Final = _ROOT / "functions"
DOCKERFILE: Final = "predict/Dockerfile"
"""Inside the context."""
PLATFORMS: Final = {"x86_64": "linux/amd64", "arm64": "linux/arm64"}
"""The container engines' names, by Lambda's."""


def build_secrets() -> dict[str, str]:
    """Of the Dockerfile: this machine's own pip settings and certificate authorities, by id."""
    files = {
        "pip_conf": os.environ.get("PIP_CONFIG_FILE", "/etc/pip.conf"),
        "ca": os.environ.get("PIP_CERT")
        or os.environ.get("SSL_CERT_FILE", "/etc/ssl/certs/ca-certificates.crt"),
    }
    return {name: path for name, path in files.items() if Path(path).is_file()}


def build_arguments() -> dict[str, str]:
    """Of the Dockerfile: what the labels say, and `$BASE_IMAGE` if that is set."""
    project = tomllib.loads((_ROOT / "pyproject.toml").read_text())["project"]
    arguments = {
        "VERSION": project["version"],
        "MODEL_SHA256": store.manifest_of(EMBEDDED).estimator.sha256,
    }
    if base := os.environ.get("BASE_IMAGE"):
        arguments["BASE_IMAGE"] = base
    return arguments
