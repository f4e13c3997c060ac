"""What a fuzzer that follows coverage finds in a few seconds; `scripts/fuzz --guided` goes on."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT

pytest.importorskip("atheris", reason="scripts/setup fuzz, on Linux and Python 3.11 to 3.13")


@pytest.mark.parametrize("part", ["photo", "form", "manifest"])
def test_no_bytes_break_what_reads_them(part: str, tmp_path: Path) -> None:
    fuzz = [sys.executable, "-m", "scripts.commands.fuzz"]
    command = [*fuzz, "--guided", part, "--seconds", "5", "--seed", "1"]
    keep = tmp_path / "found"
    ran = subprocess.run(
        [*command, "--keep", str(keep)], capture_output=True, text=True, check=False, cwd=ROOT
    )
    assert ran.returncode == 0, ran.stderr[-2000:]
    assert list(keep.iterdir()) == []
    done = re.search(r"Done (\d+) runs", ran.stderr)
    assert done, ran.stderr[-2000:]
    assert int(done[1]) > 0
