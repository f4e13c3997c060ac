"""Nothing that is wrong with one photo, one folder or the disk costs another photo its answer."""

import csv
import ctypes
import json
import os
import pty
import resource
import shutil
import signal
import subprocess
import sys
import termios
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from tests.apparent.test_cli import run
from tests.conftest import ROOT, SAMPLES

HOPPER = SAMPLES / "grace_hopper.jpg"
APPARENT = ROOT / ".venv" / "bin" / "apparent"
LATIN = os.fsdecode(b"b\xfc.jpg")
"""A name that is not UTF-8."""


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """A folder of two photos whose names sort behind each other."""
    folder = tmp_path / "photos"
    folder.mkdir()
    for name in ("a.jpg", "c.jpg"):
        shutil.copy(HOPPER, folder / name)
    return folder


@pytest.mark.parametrize("kind", ["table", "csv", "jsonl"])
def test_a_name_that_is_not_utf_8_is_written_as_it_is(photos: Path, kind: str) -> None:
    (photos / "a.jpg").rename(photos / LATIN)
    out = photos.parent / "out"
    result = run(photos, "--format", kind, "--output", out)
    assert (result.returncode, result.stderr.count("Traceback")) == (0, 0)
    name = rb"b\udcfc.jpg" if kind == "jsonl" else b"b\xfc.jpg"
    assert name in out.read_bytes()


@pytest.mark.parametrize(
    ("encoding", "name"), [("ascii", rb"\u65e5\udcfc"), ("utf-8:strict", "日".encode() + b"\xfc")]
)
def test_a_name_that_standard_output_cannot_encode_costs_no_rows(
    photos: Path, encoding: str, name: bytes
) -> None:
    (photos / "a.jpg").rename(photos / ("日" + os.fsdecode(b"\xfc") + ".jpg"))
    result = subprocess.run(
        [APPARENT, "predict", photos, "--format", "csv"],
        env={**os.environ, "PYTHONIOENCODING": encoding},
        capture_output=True,
        check=True,
    )
    assert name + b".jpg,1," in result.stdout
    assert result.stdout.count(b"\n") == 3


def test_a_film_of_gigabytes_among_photos_is_skipped_unread(photos: Path) -> None:
    with (photos / "b.mp4").open("wb") as file:
        file.truncate(8 << 30)
    result = run(photos, "--format", "csv")
    assert result.returncode == 1
    assert "b.mp4: The file has 8,589,934,592 bytes" in result.stderr
    assert result.stdout.count(".jpg,1,") == 2


def bound_by_permissions() -> None:
    """For a child of root just before exec: permissions hold for it, too."""
    if os.getuid() == 0:
        for capability in (1, 2):  # CAP_DAC_OVERRIDE and CAP_DAC_READ_SEARCH
            ctypes.CDLL(None).prctl(24, capability, 0, 0, 0)  # PR_CAPBSET_DROP


def test_what_may_not_be_read_is_reported_and_the_rest_answered(photos: Path) -> None:
    locked = photos / "locked"
    locked.mkdir()
    shutil.copy(HOPPER, locked)
    photo = locked / HOPPER.name
    for mode, named, told in (
        (0o000, photos, locked),
        (0o000, photo, photo),
        (0o644, photos, photo),  # it can be listed, and no more
    ):
        locked.chmod(mode)
        command: list[Any] = [APPARENT, "predict", named, photos / "a.jpg", "--format", "csv"]
        result = subprocess.run(
            command, capture_output=True, text=True, check=False, preexec_fn=bound_by_permissions
        )
        assert result.returncode == 1
        assert f"skipped {told}: Permission denied" in result.stderr
        assert "a.jpg,1," in result.stdout
    locked.chmod(0o755)


@pytest.mark.parametrize(
    ("kind", "sent"),
    [("json", signal.SIGINT), ("csv", signal.SIGTERM), ("csv", signal.SIGHUP)],
)
def test_who_is_told_to_end_keeps_what_was_answered(
    photos: Path, kind: str, sent: signal.Signals
) -> None:
    os.mkfifo(photos / "b.jpg")
    out = photos.parent / f"out.{kind}"
    named = [photos / name for name in ("a.jpg", "b.jpg", "c.jpg")]
    with (
        subprocess.Popen(
            [APPARENT, "predict", *named, "--output", out],
            stderr=subprocess.PIPE,
            text=True,
            preexec_fn=lambda: signal.signal(sent, signal.SIG_DFL),  # noqa: PLW1509
        ) as process,  # a test run in the background ignores Ctrl-C, and so would its children
        (photos / "b.jpg").open("wb"),
    ):  # waits until it is read: a.jpg was answered
        process.send_signal(sent)
        _, errors = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "interrupted: 1 of 3 photos are answered" in errors
    text = out.read_text()
    rows = json.loads(text) if kind == "json" else list(csv.DictReader(text.splitlines()))
    assert [Path(row["file"]).name for row in rows] == ["a.jpg"]
    assert {path.name for path in photos.parent.iterdir()} == {"photos", out.name}


def test_an_output_that_cannot_be_replaced_any_more_costs_no_answers(photos: Path) -> None:
    os.mkfifo(photos / "b.jpg")
    out = photos.parent / "out.csv"
    command: list[Any] = [APPARENT, "predict", photos / "a.jpg", photos / "b.jpg", "--output", out]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        with (photos / "b.jpg").open("wb"):
            out.mkdir()
        _, errors = process.communicate(timeout=60)
    assert process.returncode == 2
    (kept,) = photos.parent.glob("out.*.partial.csv")
    assert f"out.csv cannot be written: Is a directory; what it should hold is in {kept}" in errors
    (row,) = csv.DictReader(kept.read_text().splitlines())
    assert row["file"] == f"{photos}/a.jpg"


def limited(size: int) -> Callable[[], None]:
    return lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))


@pytest.mark.parametrize(("kind", "size"), [("csv", 300), ("jsonl", 800), ("json", 1400)])
def test_a_full_disk_keeps_whole_rows(photos: Path, kind: str, size: int) -> None:
    out = photos.parent / f"out.{kind}"
    result = subprocess.run(
        [APPARENT, "predict", photos, "--output", out],
        capture_output=True,
        text=True,
        check=False,
        preexec_fn=limited(size),
    )
    assert result.returncode == 2
    assert "cannot be written: File too large. Those for 1 of 2 photos are." in result.stderr
    assert "Traceback" not in result.stderr
    text = out.read_text()
    if kind == "csv":
        rows = list(csv.DictReader(text.splitlines()))
    else:
        rows = json.loads(text) if kind == "json" else list(map(json.loads, text.splitlines()))
    assert [Path(row["file"]).name for row in rows] == ["a.jpg"]


def test_a_disk_too_full_to_go_on_leaves_what_there_is(photos: Path) -> None:
    out = photos.parent / "out.jsonl"
    first = subprocess.run([APPARENT, "predict", photos, "--output", out], check=False)
    assert first.returncode == 0
    before = out.read_bytes()
    shutil.copy(photos / "a.jpg", photos / "d.jpg")
    result = subprocess.run(
        [APPARENT, "predict", photos, "--output", out, "--resume"],
        capture_output=True,
        text=True,
        check=False,
        preexec_fn=limited(len(before) // 2),
    )
    assert result.returncode == 2
    assert "cannot be written: File too large" in result.stderr
    assert out.read_bytes() == before
    assert [path.name for path in out.parent.glob("out*")] == ["out.jsonl"]


def test_an_error_that_nobody_thought_of_costs_one_photo(photos: Path) -> None:
    (photos / "b.jpg").write_bytes(b"odd")
    program = """
import sys
from apparent.cli import main
from apparent.pipeline import Pipeline
really = Pipeline.__call__
Pipeline.__call__ = lambda self, data: really(self, data) if len(data) > 3 else 1 / 0
sys.exit(main())
"""
    out = photos.parent / "out.jsonl"
    command = [sys.executable, "-c", program, "predict", str(photos), "--output", str(out)]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 1
    assert "b.jpg: ZeroDivisionError: division by zero" in result.stderr
    names = [Path(json.loads(line)["file"]).name for line in out.read_text().splitlines()]
    assert names == ["a.jpg", "c.jpg"]


def test_a_full_disk_behind_standard_output_is_told(photos: Path) -> None:
    with (photos.parent / "out").open("w") as file:
        result = subprocess.run(
            [APPARENT, "predict", photos, "--format", "csv"],
            stdout=file,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
            preexec_fn=limited(300),
        )
    assert result.returncode == 2
    assert result.stderr.count("cannot be written") == 1
    assert "Traceback" not in result.stderr


def test_nobody_to_tell_costs_no_answers(photos: Path) -> None:
    (photos / "b.jpg").write_bytes(b"no photo")
    for redirected in ("2>&-", "2>/dev/full"):
        command = ["sh", "-c", f'"$0" predict "$1" --format jsonl {redirected}']
        command += [str(APPARENT), str(photos)]
        result = subprocess.run(command, capture_output=True, text=True, check=False)
        assert result.returncode == 1
        assert result.stdout.count("\n") == 2


def test_a_version_that_cannot_be_written_is_told() -> None:
    command = ["sh", "-c", '"$0" --version >/dev/full', str(APPARENT)]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 2
    assert result.stderr == "error: standard output cannot be written: No space left on device.\n"


def test_a_closed_standard_output_is_told(photos: Path) -> None:
    command = ["sh", "-c", '"$0" predict "$1" >&-', str(APPARENT), str(photos)]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 2
    assert result.stderr == "error: standard output cannot be written: Bad file descriptor.\n"


def on_a_terminal(command: list[Any]) -> list[str]:
    """The lines that a terminal of 100 columns is sent."""
    terminal, program = pty.openpty()
    termios.tcsetwinsize(program, (24, 100))
    with subprocess.Popen(command, stdout=program, stderr=program):
        os.close(program)
        sent = b""
        with suppress(OSError):  # where nobody writes to it any more
            while read := os.read(terminal, 4096):
                sent += read
    os.close(terminal)
    return sent.decode().split("\r\n")


def test_each_answer_on_a_terminal_has_a_line_of_its_own(photos: Path) -> None:
    header, first, second, *rest = on_a_terminal([APPARENT, "predict", photos])
    assert header.startswith("photo ")
    assert (first.split()[0], second.split()[0]) == (f"{photos}/a.jpg", f"{photos}/c.jpg")
    assert rest == [""]
    out = photos.parent / "out.csv"
    assert "2/2" in "".join(on_a_terminal([APPARENT, "predict", photos, "--output", out]))


def test_more_faces_than_are_listed_are_told(photos: Path) -> None:
    head = Image.open(HOPPER).crop((120, 60, 420, 400)).resize((150, 170))
    crowd = Image.new("RGB", (150 * 8, 170 * 5))
    for k in range(40):
        crowd.paste(head, (k % 8 * 150, k // 8 * 170))
    crowd.save(photos / "crowd.png")
    result = run(photos / "crowd.png")
    assert "crowd.png: 40 faces; the 32 largest are listed" in result.stderr


def write(photo: Path, out: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return run(photo, "--output", out, *arguments)


def test_a_link_and_a_private_file_stay_what_they_are(photos: Path) -> None:
    target, link, other = (photos.parent / name for name in ("t.csv", "l.csv", "t.partial.csv"))
    target.write_text("old")
    target.chmod(0o600)
    link.symlink_to("t.csv")
    other.write_text("mine")
    assert write(HOPPER, link).returncode == 0
    assert link.is_symlink()
    assert target.read_text().startswith("file,face,")
    assert target.stat().st_mode & 0o777 == 0o600
    assert other.read_text() == "mine"
    assert len(list(photos.parent.iterdir())) == 4


def test_a_pipe_stays_one_and_its_reader_gets_the_answers(photos: Path) -> None:
    pipe = photos.parent / "pipe.jsonl"
    os.mkfifo(pipe)
    command: list[Any] = [APPARENT, "predict", HOPPER, "--output", pipe]
    with subprocess.Popen(command) as process:
        answer = json.loads(pipe.read_text())
        assert process.wait(timeout=60) == 0
    assert len(answer["faces"]) == 1
    assert pipe.is_fifo()


@pytest.mark.parametrize(
    ("name", "start"), [("out.CSV", "file,face,"), ("out.json", "[\n"), ("out.txt", "photo ")]
)
def test_the_ending_of_the_output_says_its_format(photos: Path, name: str, start: str) -> None:
    write(HOPPER, photos.parent / name)
    assert (photos.parent / name).read_text().startswith(start)
