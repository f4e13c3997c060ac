"""Hatchling's hook: puts the face detector, which is not ours to keep, into the wheel."""

import sys
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class DetectorHook(BuildHookInterface):  # type: ignore[misc]  # no part of the environment
    """Fetches the pinned, hashed detector before wheels and editable installs are made."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Fails the build, with a sentence, where the file cannot be had or is another one."""
        source = str(Path(self.root, "functions"))
        sys.path.insert(0, source)
        try:
            from apparent.model.fetch import fetch_detector

            fetch_detector()
        finally:
            sys.path.remove(source)
