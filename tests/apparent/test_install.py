"""The library as others get it: installed from the repository into an empty environment."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import ROOT, SAMPLES

Run = Callable[..., str]

_CONTRACT = """
import sys
from apparent import Pipeline
faces = Pipeline.load()(sys.argv[1])
faces.draw().save(sys.argv[2])
print(faces[0].age.years, faces[0].age.low, faces[0].age.high)
print(faces[0].gender.label, faces[0].gender.probability)
print(sorted({"boto3", "fastapi", "mangum", "starlette", "torch"} & sys.modules.keys()))
"""


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Runs a program of an empty environment into which the repository was installed."""
    folder = tmp_path_factory.mktemp("elsewhere")
    subprocess.run([sys.executable, "-m", "venv", folder / "venv"], check=True)
    bare = {name: v for name, v in os.environ.items() if not name.startswith("PYTHON")}

    def run(program: str, *arguments: str | Path) -> str:
        command = [folder / "venv" / "bin" / program, *arguments]
        result = subprocess.run(
            command, cwd=folder, env=bare, capture_output=True, text=True, check=False
        )
        assert result.returncode == 0, result.stderr
        return result.stdout

    run("python", "-m", "pip", "install", "--quiet", ROOT)
    return run


def test_three_lines_of_python_answer_a_portrait(run: Run, tmp_path: Path) -> None:
    out = tmp_path / "out.png"
    printed = run("python", "-c", _CONTRACT, SAMPLES / "eileen_collins.jpg", out)
    age, gender, extras = printed.splitlines()
    years, low, high = map(float, age.split())
    assert low <= years <= high
    assert gender.startswith("female ")
    assert extras == "[]"
    assert out.read_bytes().startswith(b"\x89PNG")


def test_the_command_answers_as_json(run: Run) -> None:
    photo = SAMPLES / "grace_hopper.jpg"
    (answer,) = json.loads(run("apparent", "predict", photo, "--format", "json"))
    assert len(answer["faces"]) == 1
    assert run("apparent", "--version").startswith("apparent ")


def test_code_and_weights_have_each_their_licence(run: Run) -> None:
    program = (
        "from importlib.metadata import distribution as d; m = d('apparent').metadata;"
        "print(m['License-Expression'], m.get_all('License-File'))"
    )
    told = run("python", "-c", program)
    assert "MIT AND LicenseRef-Apparent-Weights" in told
    assert "LICENSE-WEIGHTS" in told
    assert "LICENSE-DETECTOR" in told


def test_importing_the_library_costs_nothing_until_it_is_used() -> None:
    program = (
        "import sys, apparent; print({'numpy', 'onnxruntime', 'pydantic'} & sys.modules.keys())"
    )
    command = [sys.executable, "-c", program]
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout == "set()\n"


def test_a_type_checker_knows_every_public_name_and_no_other(tmp_path: Path) -> None:
    program = tmp_path / "program.py"
    program.write_text(
        "from apparent import Pipeline, __version__\nfrom apparent import Pipelines\n"
        "reveal_type(__version__)\nreveal_type(Pipeline)\n"
    )
    command = [sys.executable, "-m", "mypy", "--strict", f"--cache-dir={tmp_path}", str(program)]
    result = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert 'Module "apparent" has no attribute "Pipelines"' in result.stdout
    assert 'Revealed type is "str"' in result.stdout
    assert result.stdout.count("error:") == 1
