"""What README and docs tell one to type gives what they say."""

import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from tests.conftest import ROOT

README = (ROOT / "README.md").read_text()


def run(command: list[str], folder: Path) -> str:
    environment = {"PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin", "PYTHONPATH": str(ROOT)}
    ran = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    assert ran.returncode == 0, ran.stderr
    return ran.stdout


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """A folder with the samples, where commands may write."""
    (tmp_path / "site").symlink_to(ROOT / "site")
    return tmp_path


def indented(text: str, first: str) -> str:
    """The indented block that begins with this line, without the indentation."""
    block = re.search(rf"^    {re.escape(first)}\n(?:(?:    .*)?\n)*", text, re.MULTILINE)
    assert block, first
    return "\n".join(line[4:] for line in block[0].splitlines()).strip()


def test_the_readme_s_lines_of_python_run(clone: Path) -> None:
    (clone / "photo.jpg").symlink_to(ROOT / "site" / "samples" / "grace_hopper.jpg")
    program = indented(README, "from apparent import Pipeline").partition("\n$")[0]
    run([sys.executable, "-c", program], clone)
    assert (clone / "out.png").stat().st_size > 0


def test_the_readme_s_answer_on_the_command_line_is_the_model_s(clone: Path) -> None:
    command, _, told = indented(README, "$ apparent predict site/samples/*.jpg").partition("\n")
    printed = run(["bash", "-c", command.removeprefix("$ ")], clone)
    assert printed.split() == told.split()


def test_every_script_that_the_docs_name_is_there() -> None:
    pages = [*ROOT.glob("*.md"), *ROOT.glob("*/*.md")]
    named = {name for page in pages for name in re.findall(r"scripts/[a-z-]+\b", page.read_text())}
    assert len(named) > 10
    assert {name for name in named if not (ROOT / name).exists()} == set()


def test_the_notebook_runs_from_a_photo_to_a_model_of_one_s_own(clone: Path) -> None:
    cells = json.loads((ROOT / "docs" / "quickstart.ipynb").read_text())["cells"]
    code = ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]
    program = "\n".join([*code, "print(pipeline.manifest.version)"])
    printed = run([sys.executable, "-W", "ignore", "-c", program], clone)
    assert re.search(r"looks about \d+ \(\d+ to \d+\)", printed)
    assert (clone / "runs" / "quickstart" / "bundle" / "manifest.json").exists()


def test_the_citation_is_of_this_version() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    citation = (ROOT / "CITATION.cff").read_text()
    assert f"\nversion: {project['version']}\n" in citation
