"""What README and docs tell one to type gives what they say."""

import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.golden.tolerances import ACROSS_RUNTIMES

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
    # Another processor adds floats in another order, which may round a year to its neighbour.
    numbers = [[int(n) for n in re.findall(r"\b\d+\b", text)] for text in (printed, told)]
    assert numbers[0] == pytest.approx(numbers[1], abs=ACROSS_RUNTIMES.interval)
    words = [re.sub(r"\b\d+\b", "0", text).split() for text in (printed, told)]
    assert words[0] == words[1]


PAGES = [*ROOT.glob("*.md"), *ROOT.glob("*/*.md")]


def anchors(page: Path) -> set[str]:
    """What a link may name in a page, as the forges make it of headings."""
    headings = re.findall(r"^#+ (.*)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^a-z0-9 -]", "", text.lower()).replace(" ", "-") for text in headings}


def test_every_link_of_a_page_leads_somewhere() -> None:
    broken, seen = [], 0
    for page in PAGES:
        for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text()):
            if target.startswith("https://"):
                continue
            seen += 1
            path, _, anchor = target.partition("#")
            file = page.parent / path if path else page
            if not file.exists() or (anchor and anchor not in anchors(file)):
                broken.append(f"{page.relative_to(ROOT)}: {target}")
    assert seen > 50
    assert broken == []


def test_every_option_that_a_page_gives_a_script_is_told_by_its_help() -> None:
    lines = [line for page in PAGES for line in page.read_text().splitlines()]
    used: dict[str, set[str]] = {}
    for line in lines:
        if typed := re.match(r"    (?:\$ )?(?:\w+=\S+ )*(scripts/[a-z-]+)(.*)", line):
            options = re.findall(r"(?<= )--[a-z-]+", typed[2].partition(" # ")[0])
            used.setdefault(typed[1], set()).update(options)
    assert len(used) > 5
    for script, given in used.items():
        shown = run([str(ROOT / script), "--help"], ROOT)
        assert {option for option in given if option not in shown} == set(), script


def test_every_script_that_the_docs_name_is_there() -> None:
    named = {name for page in PAGES for name in re.findall(r"scripts/[a-z-]+\b", page.read_text())}
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


def test_the_badges_are_true() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    true = {
        "python": f"{project['requires-python'].removeprefix('>=')} or newer",
        "code": project["license"].split(" AND ")[0],
        "weights": "research only",
    }
    for name, words in true.items():
        assert f"![{name}: {words}](docs/badges/{name}.svg)" in README
        drawing = (ROOT / "docs" / "badges" / f"{name}.svg").read_text()
        assert set(re.findall(r">([^<>]+)</text>", drawing)) == {name, words}
    weights = (
        ROOT / "functions" / "apparent" / "model" / "embedded" / "LICENSE-WEIGHTS"
    ).read_text()
    assert "research" in weights
