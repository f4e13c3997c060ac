"""Whatever is sent, the answer is a prediction or a problem that tells the truth."""

import json
import subprocess
import sys
from collections.abc import Iterator
from itertools import islice

import pytest

from predict.app import create_app
from predict.settings import Settings
from scripts.commands.fuzz import MOST_MEMORY, Answer, Request, Target, corpus, mutations
from scripts.commands.hostile import READ, files
from tests.conftest import ROOT

Answers = dict[str, Answer]


@pytest.fixture(scope="module")
def target() -> Iterator[Target]:
    target = Target(create_app(Settings()))
    yield target
    target.close()


@pytest.fixture(scope="module")
def answers(target: Target) -> Answers:
    """To every request of the corpus, by its name."""
    return {request.name: target.ask(request) for request in corpus()}


def test_no_file_and_no_form_breaks_the_service(answers: Answers) -> None:
    faults = {name: fault for name, answer in answers.items() if (fault := answer.fault())}
    assert len(answers) > 900
    assert faults == {}


def test_the_largest_pictures_that_are_answered_fit_into_the_memory_promised() -> None:
    program = """
from scripts.commands.fuzz import Request, Settings, Target, create_app, files, memory
target = Target(create_app(Settings()))
large = [Request(name, "image/png", data) for name, data in files() if name.startswith("PNG of ")]
statuses = {target.ask(request).status for request in large}
print(200 in statuses, memory("VmHWM"))
"""
    command = [sys.executable, "-W", "ignore", "-c", program]
    ran = subprocess.run(command, check=True, capture_output=True, text=True, cwd=ROOT)
    answered, peak = ran.stdout.split()
    assert answered == "True"
    assert float(peak) <= MOST_MEMORY


def test_no_mutation_breaks_the_service(target: Target) -> None:
    tried = islice(mutations(seed=0), 400)
    assert [r for r in tried if target.ask(r).fault()] == []


def statuses(answers: Answers, *words: str) -> set[int]:
    found = {answer.status for name, answer in answers.items() if all(w in name for w in words)}
    assert found, words
    return found


def test_every_mode_of_every_format_that_is_read_is_answered(answers: Answers) -> None:
    modes = [name for name, _ in files() if name.split()[0] in READ and len(name.split()) == 2]
    assert len(modes) > 20
    assert {answers[name].status for name in modes} == {200}


@pytest.mark.parametrize("kind", ["TIFF", "PPM", "ICO", "TGA", "JPEG2000", "PDF", "EPS", "DDS"])
def test_a_format_that_pillow_reads_but_this_service_does_not_is_415(
    answers: Answers, kind: str
) -> None:
    assert statuses(answers, f"{kind} ") == {415}


@pytest.mark.parametrize(
    "bomb",
    [
        "PNG of 65535 x 65535",
        "JPEG of 65,500 x 65,500",
        "GIF of 65,535 x 65,535",
        "WebP of 16,383 x 16,383",
        "bmp of 30000 x 30000",
        "PNG of 4000 x 4000, 16 bit",
        "JPEG of 4,000 scans",
        "BMP of runs",
    ],
)
def test_a_bomb_is_refused_as_too_large(answers: Answers, bomb: str) -> None:
    assert statuses(answers, bomb) == {422}
    (answer,) = (answer for name, answer in answers.items() if name.startswith(bomb))
    told = json.loads(answer.body)["detail"]
    assert "pixels" in told or "scans" in told or "run lengths" in told, told


def test_damaged_metadata_and_tails_do_not_spoil_a_photo(answers: Answers) -> None:
    assert statuses(answers, "JPEG with EXIF") == {200}
    assert statuses(answers, "and zip") == {200}
    assert statuses(answers, "zip and") == {415}
    assert statuses(answers, "PNG with a ") == {200}


def test_an_empty_photo_and_half_a_form_are_malformed(answers: Answers) -> None:
    assert statuses(answers, "empty") == {400}
    assert statuses(answers, "6 bytes missing") == {400}


def test_a_lie_about_the_type_is_found_out(target: Target) -> None:
    html = Request("html", "image/jpeg", b"<html><img src=x onerror=alert(1)></html>")
    svg = Request("svg", "image/svg+xml", b"<svg xmlns='http://www.w3.org/2000/svg'/>")
    assert [target.ask(request).status for request in (html, svg)] == [415, 415]
