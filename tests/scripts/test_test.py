import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT

_MODULE = """
import pytest

@pytest.mark.skip(reason="no camera")
def test_marked():
    pass

def test_called():
    pytest.skip("no tripod")

@pytest.mark.xfail(strict=True)
def test_known():
    raise AssertionError
"""


@pytest.mark.parametrize(("ci", "status"), [("", 0), ("true", 1)])
def test_in_ci_what_is_skipped_has_failed(tmp_path: Path, ci: str, status: int) -> None:
    module = tmp_path / "test_skipped.py"
    module.write_text(_MODULE)
    command = [sys.executable, "-m", "pytest", "-p", "tests.conftest", "-c", "pyproject.toml"]
    result = subprocess.run(
        [*command, "-p", "no:cacheprovider", str(module)],
        cwd=ROOT,
        env=os.environ | {"CI": ci},
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == status, result.stdout
    summary = result.stdout.splitlines()[-1]
    assert ("2 skipped, 1 xfailed" in summary) == (not ci)
    assert ("skipped" in summary) == (not ci)
    assert "no camera" in result.stdout
    assert "no tripod" in result.stdout


@pytest.mark.parametrize("absolute", [False, True])
def test_what_it_runs_comes_from_the_named_environment(tmp_path: Path, absolute: bool) -> None:
    venv = tmp_path / "other"
    programs = [
        venv / "bin" / name for name in ("ruff", "mypy", "lint-imports", "shellcheck", "python")
    ]
    scripts = [tmp_path / "scripts" / name for name in ("setup", "check-page")]
    (tmp_path / ".ci").mkdir()
    for path in (*programs, *scripts):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"#!/bin/bash\necho {path.name}\n")
        path.chmod(0o755)
    shutil.copy(ROOT / "scripts" / "test", tmp_path / "scripts")
    result = subprocess.run(
        [tmp_path / "scripts" / "test"],
        env=os.environ | {"VENV": str(venv) if absolute else "other"},
        capture_output=True,
        text=True,
        check=True,
    )
    ran = ["setup", "ruff", "ruff", "mypy", "lint-imports", "shellcheck", "check-page", "python"]
    assert result.stdout.split() == ran


def _pip_version() -> str:
    (version,) = re.findall(r"^pip_version=(.*)$", (ROOT / "scripts/setup").read_text(), re.M)
    return str(version)


def test_an_environment_that_was_not_finished_is_begun_anew(tmp_path: Path) -> None:
    """As where the first set-up was interrupted, or had no python3-venv."""
    project, programs = tmp_path / "project", tmp_path / "bin"
    (project / "scripts").mkdir(parents=True)
    shutil.copy(ROOT / "scripts/setup", project / "scripts")
    python = project / ".venv/bin/python"
    for program, script in ((python, "exit 1"), (programs / "python3", "exec true")):
        program.parent.mkdir(parents=True)
        program.write_text(f"#!/bin/sh\n{script}\n")
        program.chmod(0o755)
    result = subprocess.run(
        ["bash", "scripts/setup"],
        cwd=project,
        env=os.environ | {"PATH": f"{programs}:{os.environ['PATH']}", "PYTHON": "", "VENV": ""},
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 1
    assert "setup: making .venv\nerror: pip could not be installed" in result.stderr


def test_a_style_rule_installs_nothing_anew(tmp_path: Path) -> None:
    """Set-up of a copy whose groups are installed, but whose ruff rules are others."""
    project = tmp_path / "project"
    for name in ("scripts/setup", "scripts/locks/local.txt", "functions/predict/requirements.txt",
                 "functions/apparent/model/embedded/manifest.json", "infra/on_device.py",
                 "site/index.html", "pyproject.toml"):  # fmt: skip
        (project / name).parent.mkdir(parents=True, exist_ok=True)
        (project / name).write_bytes((ROOT / name).read_bytes())
    detector = project / "functions/apparent/model/embedded/face_detector.onnx"
    detector.touch()
    on_device = project / "site/on-device/bundle.json"
    on_device.parent.mkdir()
    on_device.touch()
    python = project / ".venv/bin/python"
    python.parent.mkdir(parents=True)
    python.write_text("#!/bin/sh\n")  # in place of pip, which would install
    python.chmod(0o755)
    made = project / f".venv/lib/python3/site-packages/pip-{_pip_version()}.dist-info/RECORD"
    made.parent.mkdir(parents=True)
    made.touch()

    def set_up() -> str:
        command = ["bash", "scripts/setup"]
        result = subprocess.run(command, cwd=project, capture_output=True, text=True, check=True)
        return result.stderr

    told = set_up()
    assert "making .venv" not in told
    assert "installing group serve" in told
    settings = project / "pyproject.toml"
    settings.write_text(settings.read_text().replace("line-length = 100", "line-length = 99"))
    assert set_up() == ""
    lock = project / "scripts/locks/local.txt"
    lock.write_text(lock.read_text() + "# changed\n")
    assert set_up() == "setup: installing group local\n"
    settings.write_text(settings.read_text().replace('name = "apparent"', 'name = "other"'))
    assert set_up().startswith("setup: installing the library")
    (project / "site/index.html").write_text("changed")
    assert set_up().startswith("setup: putting the model where the page can take it")
    assert set_up() == ""
