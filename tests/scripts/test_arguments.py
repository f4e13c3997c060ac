"""Commands that measure for minutes refuse at once what they could not use or write at the end."""

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tests.conftest import ROOT

CLOSED = "http://127.0.0.1:9"


def refusal(*arguments: str, **environment: str) -> str:
    """The last line that a command says."""
    command = [sys.executable, "-m", *arguments]
    environment = {"PYTHONPATH": f"{ROOT}:{ROOT / 'functions'}", **environment}
    result = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert result.returncode == 2, result.stderr
    assert not result.stdout
    return result.stderr.splitlines()[-1]


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        ("bench --runs 0", "argument --runs: '0' is not a whole number above 0"),
        ("bench --json missing/x.json", "argument --json: the folder 'missing' is not there"),
        ("bench --json /", "argument --json: '/' is a folder"),
        ("bench --fp32 missing.onnx", "argument --fp32: 'missing.onnx' is not a file"),
        ("bench_bulk --workers 0", "argument --workers: '0' is not a whole number above 0"),
        ("bench_page --faces 0", "argument --faces: '0' is not a whole number above 0"),
        (
            "bulk s3://in/ s3://out/a/ --interval -1",
            "argument --interval: '-1' is not a number above 0",
        ),
        ("fuzz --requests -1", "argument --requests: '-1' is not a whole number above 0"),
        ("load --seconds nan", "argument --seconds: 'nan' is not a number above 0"),
        ("load --soak later", "argument --soak: 'later' is not a number above 0"),
        (f"load --url {CLOSED}", f"{CLOSED} does not answer: [Errno 111] Connection refused"),
    ],
)
def test_what_cannot_be_used_is_a_sentence(arguments: str, why: str) -> None:
    command, *rest = arguments.split()
    assert refusal(f"scripts.commands.{command}", *rest).endswith(f": error: {why}")


def test_a_service_that_cannot_start_is_a_sentence() -> None:
    told = refusal("scripts.commands.load", APPARENT_MAX_BYTES="abc")
    assert told == "error: The service did not start; what it printed says why."


def test_a_container_is_not_measured_without_an_engine(tmp_path: Path) -> None:
    told = refusal("scripts.commands.bench", "--container", PATH=str(tmp_path))
    assert told.startswith("error: Neither podman nor docker is on PATH.")


def test_photos_that_the_labels_do_not_name_are_told_of(tmp_path: Path) -> None:
    images, labels = tmp_path / "faces.zip", tmp_path / "faces.csv"
    zipfile.ZipFile(images, "w").close()
    labels.write_text("file,split\nx.jpg,val\n")
    told = refusal("scripts.commands.bench_page", f"--images={images}", f"--labels={labels}")
    assert "these photos cannot be had" in told
    assert "x.jpg" in told
