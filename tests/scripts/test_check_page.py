"""What `scripts/check-page` does where it cannot check."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.conftest import ROOT


@pytest.mark.parametrize(("ci", "status"), [("", 0), ("1", 1)])
def test_without_node_it_says_what_to_install(tmp_path: Path, ci: str, status: int) -> None:
    for program in ("bash", "dirname"):
        (tmp_path / program).symlink_to(shutil.which(program) or "")
    result = subprocess.run(
        [ROOT / "scripts" / "check-page"],
        check=False,
        env=os.environ | {"PATH": os.fspath(tmp_path), "CI": ci},
        capture_output=True,
        text=True,
    )
    assert result.returncode == status
    assert "Node.js 20.19 or newer" in result.stdout
    assert "install it" in result.stdout
