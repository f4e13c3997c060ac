"""The locks: what they must leave to the machine that installs them."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.conftest import ROOT

LOCKS = sorted(
    [*Path("scripts/locks").glob("*.txt"), *Path("functions/predict").glob("*requirements.txt")]
)


@pytest.mark.parametrize("lock", LOCKS, ids=lambda path: path.name)
def test_a_lock_names_no_accelerators_build_and_no_index(lock: Path) -> None:
    text = lock.read_text()
    assert not re.findall(r"(?m)^(?:torch|triton|nvidia-[^=]+|cuda-[^=]+)==.*", text)
    assert "://" not in text
    assert not re.findall(r"(?m)^-.*", text)  # an option of pip's, such as where to look


def test_another_pin_of_torch_changes_the_lock() -> None:
    """scripts/setup installs a group again when its lock changes, but torch has no hash there."""
    pin = re.search(r'"(torch==[^"]+)"', Path("pyproject.toml").read_text())
    assert pin is not None
    assert f"# without hashes: {pin[1]}\n" in Path("scripts/locks/train.txt").read_text()


def test_they_are_made_in_the_environment_that_is_named(tmp_path: Path) -> None:
    scripts, python = tmp_path / "scripts", tmp_path / "other" / "bin" / "python"
    for program, does in ((scripts / "setup", "exit"), (python, 'echo "$0"; exit 3')):
        program.parent.mkdir(parents=True, exist_ok=True)
        program.write_text(f"#!/bin/sh\n{does}\n")
        program.chmod(0o755)
    shutil.copy(ROOT / "scripts" / "lock", scripts)
    for named in ("other", str(tmp_path / "other")):
        result = subprocess.run(
            [scripts / "lock"],
            env=os.environ | {"VENV": named},
            capture_output=True,
            text=True,
            check=False,
        )
        assert (result.returncode, result.stdout) == (3, f"{named}/bin/python\n")


@pytest.mark.parametrize("arguments", [["--help"], ["--version"]])
def test_what_locks_nothing_leaves_the_locks_as_they_are(
    tmp_path: Path, arguments: list[str]
) -> None:
    scripts, lock = tmp_path / "scripts", tmp_path / "scripts" / "locks" / "train.txt"
    lock.parent.mkdir(parents=True)
    lock.write_text("numpy==2.0\n")
    requirements = tmp_path / "functions" / "predict" / "requirements.txt"
    requirements.parent.mkdir(parents=True)
    requirements.write_text("numpy==2.0\n")
    python = tmp_path / "venv" / "bin" / "python"
    python.parent.mkdir(parents=True)
    locks = """case "$*" in *--version*) exit ;; esac
        while [ $# -gt 0 ]; do
            if [ "$1" = --output-file ]; then echo "numpy==3.0" >"$2"; fi
            shift
        done
    """
    for program, does in ((scripts / "setup", "exit"), (python, locks)):  # as uv does
        program.write_text(f"#!/bin/sh\n{does}\n")
        program.chmod(0o755)
    shutil.copy(ROOT / "scripts" / "lock", scripts)
    command, environment = [str(scripts / "lock"), *arguments], os.environ | {"VENV": "venv"}
    result = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert result.stdout.startswith("usage: ") or "nothing is locked" in result.stderr
    assert lock.read_text() == requirements.read_text() == "numpy==2.0\n"
