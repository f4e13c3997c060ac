"""The commands of scripts/, wherever they are called from and whatever the shell exports."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT


def output(command: list[str], cwd: Path = ROOT, **environment: str) -> str:
    return subprocess.run(
        command, cwd=cwd, env=os.environ | environment, capture_output=True, text=True, check=True
    ).stdout


COMMANDS = ["check-page", "container", "lock", "predict", "serve", "setup", "test"]


@pytest.mark.parametrize("name", COMMANDS)
def test_a_shell_that_exports_cdpath_runs_the_commands(tmp_path: Path, name: str) -> None:
    (tmp_path / "scripts").mkdir()
    found = output([f"scripts/{name}", "--help"], CDPATH=str(tmp_path))
    assert found.startswith("usage: ")


def test_a_group_that_is_not_there_is_a_sentence() -> None:
    command = [str(ROOT / "scripts" / "setup"), "grain"]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    sentence = "error: there is no group grain; scripts/setup --help has them\n"
    assert (result.returncode, result.stderr) == (1, sentence)


def test_programs_come_from_the_named_environment(tmp_path: Path) -> None:
    """An environment of another name, relative to the repository or not, is set up and used."""
    venv = tmp_path / "venv"
    venv.symlink_to(Path(sys.prefix).resolve())
    command = [str(ROOT / "scripts/in-venv"), "local", "--", "python", "-c"]
    for named in (str(venv), os.path.relpath(venv, ROOT)):
        prefix = output([*command, "import sys; print(sys.prefix)"], tmp_path, VENV=named)
        assert Path(prefix.strip()).name == "venv"


def test_arguments_and_folder_are_the_caller_s(tmp_path: Path) -> None:
    code = "import os, sys; print(os.getcwd()); print(sys.argv[1:])"
    command = [str(ROOT / "scripts/in-venv"), "local", "--", "python", "-c", code]
    lines = output([*command, "--", "a b", ""], tmp_path).splitlines()
    assert lines == [str(tmp_path.resolve()), "['--', 'a b', '']"]


def test_modules_of_the_caller_s_folder_are_not_run(tmp_path: Path) -> None:
    (tmp_path / "apparent.py").write_text("raise SystemExit('ran')")
    command = [str(ROOT / "scripts/in-venv"), "local", "--", "python", "-m"]
    assert output([*command, "apparent.cli", "--version"], tmp_path).startswith("apparent ")


def test_pytest_s_options_reach_it_through_the_container_s_command() -> None:
    assert output(["scripts/container", "test", "--version"]).startswith("pytest ")
