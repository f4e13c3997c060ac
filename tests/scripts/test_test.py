import os
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

    def set_up() -> str:
        command = ["bash", "scripts/setup"]
        result = subprocess.run(command, cwd=project, capture_output=True, text=True, check=True)
        return result.stderr

    assert "installing group serve" in set_up()
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
