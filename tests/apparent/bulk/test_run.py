"""The command as people use it, in processes of its own."""

import json
import multiprocessing
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from apparent import Pipeline
from apparent.bulk.plan import BulkError
from apparent.bulk.run import Bulk
from apparent.bulk.sources import find_names
from apparent.bulk.tables import ROW, schema
from tests.conftest import SAMPLES

FAILED = {"broken.jpg": "undecodable", "notes.txt": "unsupported", "more.zip": "unsupported"}
COMMAND = [sys.executable, "-m", "apparent.cli", "bulk"]


def bulk(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = [*COMMAND, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.fixture(scope="module")
def undisturbed(collection: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The parts of a run that nothing disturbed, two photos in each."""
    out = tmp_path_factory.mktemp("undisturbed") / "out"
    result = bulk(collection, collection / "more.zip", "--output", out, "--shard-size", "2")
    assert result.returncode == 1, result.stderr
    assert "9 photos, 2 of them without a face" in result.stderr
    assert "3 failed: 1 undecodable, 2 unsupported" in result.stderr
    return out


def test_every_photo_is_answered_as_one_by_one_or_says_why_not(
    undisturbed: Path, collection: Path, pipeline: Pipeline
) -> None:
    parts = sorted(undisturbed.glob("part-*.jsonl"))
    assert [path.name for path in parts] == [f"part-00000{n}-of-000005.jsonl" for n in range(1, 6)]
    answers = [json.loads(line) for path in parts for line in path.read_text().splitlines()]
    names = find_names([str(collection), str(collection / "more.zip")])
    assert [answer["file"] for answer in answers] == names
    for answer in answers:
        name = answer.pop("file")
        if (kind := FAILED.get(Path(name).name)) is not None:
            assert answer["error"]["kind"] == kind
            assert answer["error"]["detail"]
        elif "!/" not in name:
            expected = pipeline(name).to_dict()
            del expected["timing_ms"]
            assert answer == expected


def test_a_killed_run_that_is_resumed_equals_an_undisturbed_one(
    undisturbed: Path, collection: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    arguments: list[str | Path] = [collection, collection / "more.zip", "--output", out]
    arguments += ["--shard-size", "2"]
    command = [*COMMAND, *map(str, arguments), "--workers", "1"]
    with subprocess.Popen(command, stderr=subprocess.DEVNULL) as process:
        while not list(out.glob("part-*-of-*.jsonl")):  # partial files have one more dot
            assert process.poll() is None
        os.kill(process.pid, signal.SIGKILL)
    kept = {path: path.stat().st_mtime_ns for path in out.glob("part-*-of-??????.jsonl")}
    result = bulk(*arguments, "--resume")
    assert "9 photos" in result.stderr
    assert "9 of them to do" not in result.stderr
    assert contents(out) == contents(undisturbed)
    assert {path: path.stat().st_mtime_ns for path in kept} == kept


def test_ctrl_c_is_the_runs_to_handle_and_no_workers_from_its_first_moment(tmp_path: Path) -> None:
    command = [*COMMAND, str(SAMPLES), "--output", str(tmp_path / "out"), "--shard-size", "1"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
        while process.poll() is None:
            with suppress(OSError):  # one has just ended
                for child in children.read_text().split():
                    os.kill(int(child), signal.SIGINT)  # as a terminal does
        assert process.stderr is not None
        errors = process.stderr.read()
    assert process.returncode == 1
    assert "Traceback" not in errors
    files = sum(path.is_file() for path in SAMPLES.rglob("*"))
    assert f"{files} photos, 0 of them without a face" in errors


def end_workers() -> None:
    for worker in multiprocessing.active_children():
        worker.kill()
        worker.join()


def test_a_worker_that_is_ended_is_replaced_and_nothing_is_lost_or_told_twice(
    undisturbed: Path, collection: Path, tmp_path: Path
) -> None:
    names = find_names([str(collection), str(collection / "more.zip")])
    run = Bulk(names, str(tmp_path / "out"), kind="jsonl", shard_size=2)
    told = []
    for done in run.run(workers=1):
        told.append(done)
        if len(told) in (2, 5):
            end_workers()
    run.finish()
    assert len(told) == len(names)
    assert contents(tmp_path / "out") == contents(undisturbed)


def test_a_photo_that_ends_each_process_that_tries_it_is_a_failure_and_the_others_are_answered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    silent = socket.create_server(("127.0.0.1", 0))
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{silent.getsockname()[1]}")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "local")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "local")
    names = [str(SAMPLES / "grace_hopper.jpg"), "s3://bucket/fatal.jpg"]
    run = Bulk(names, str(tmp_path / "out.jsonl"))

    def end_who_asks() -> None:
        for _ in range(2):
            connection, _ = silent.accept()
            end_workers()
            connection.close()

    thread = threading.Thread(target=end_who_asks, daemon=True)
    thread.start()
    told = list(run.run(workers=1))
    silent.close()
    run.finish()
    assert [done.error for done in told] == [None, "fatal"]
    answers = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines()]
    assert len(answers[0]["faces"]) == 1
    assert answers[1]["error"]["kind"] == "fatal"


class _ExpiredAtFirst(BaseHTTPRequestHandler):
    """S3, whose visitor's credentials have expired until somebody mends that."""

    expired = True

    def do_GET(self) -> None:
        data = (SAMPLES / "grace_hopper.jpg").read_bytes()
        if self.expired:
            data = b"<Error><Code>ExpiredToken</Code><Message>expired</Message></Error>"
        self.send_response(400 if self.expired else 200)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_: object) -> None:
        """Says nothing."""


def test_where_s3_refuses_for_now_the_run_ends_and_resumes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    s3 = ThreadingHTTPServer(("127.0.0.1", 0), _ExpiredAtFirst)
    thread = threading.Thread(target=s3.serve_forever)
    thread.start()
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{s3.server_port}")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "local")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "local")
    names, out = ["s3://bucket/a.jpg"], str(tmp_path / "out")
    with pytest.raises(BulkError, match=r"ExpiredToken.*--resume"):
        list(Bulk(names, out).run(workers=1))
    monkeypatch.setattr(_ExpiredAtFirst, "expired", False)
    assert [done.error for done in Bulk(names, out, resume=True).run(workers=1)] == [None]
    s3.shutdown()
    thread.join()
    s3.server_close()


def test_parts_that_no_plan_tells_of_are_nobodys(tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert bulk(SAMPLES / "grace_hopper.jpg", "--output", out).returncode == 0
    (out / "plan.json").unlink()
    before = contents(out)
    result = bulk(SAMPLES / "eileen_collins.jpg", "--output", out)
    assert result.returncode == 2
    assert "holds parts and no plan.json" in result.stderr
    assert contents(out) == before


def test_what_a_run_makes_among_its_photos_is_no_photo_of_it(tmp_path: Path) -> None:
    for name in ("a.jpg", "b.jpg"):
        (tmp_path / name).symlink_to(SAMPLES / "grace_hopper.jpg")
    arguments = (tmp_path, "--output", tmp_path / "faces", "--shard-size", "1")
    assert bulk(*arguments).returncode == 0
    (tmp_path / "faces" / "part-000002-of-000002.jsonl").unlink()
    again = bulk(*arguments, "--resume")
    assert again.returncode == 0, again.stderr
    assert "2 photos, 1 of them to do" in again.stderr


def test_a_run_that_was_killed_over_its_own_files_among_its_photos_goes_on(tmp_path: Path) -> None:
    """Whatever of its files it was writing."""
    shutil.copy(SAMPLES / "grace_hopper.jpg", tmp_path / "a.jpg")
    out = tmp_path / "faces"
    for name in ("faces/plan.0123abcd.partial.json", "faces/summary.0123abcd.partial.json"):
        out.mkdir(exist_ok=True)
        (tmp_path / name).write_text("{")
        again = bulk(tmp_path, "--output", out, "--resume", "--workers", "1")
        assert again.returncode == 0, again.stderr
        assert again.stderr.startswith("1 photos")
    shutil.rmtree(out)
    left = tmp_path / "faces.0123abcd.partial.csv"
    left.write_text("file,")
    one = bulk(tmp_path, "--output", tmp_path / "faces.csv", "--workers", "1")
    assert one.returncode == 0, one.stderr
    assert {path.name for path in tmp_path.iterdir()} == {"a.jpg", "faces.csv"}


def test_what_a_run_makes_is_known_by_any_name_of_its_folder(tmp_path: Path) -> None:
    photos, link = tmp_path / "photos", tmp_path / "link"
    photos.mkdir()
    link.symlink_to(photos)
    shutil.copy(SAMPLES / "grace_hopper.jpg", photos / "a.jpg")
    arguments = ("--output", photos / "faces", "--plot", photos / "ages.png")
    assert bulk(link, *arguments).returncode == 0
    assert (photos / "ages.png").exists()
    again = bulk(link, *arguments, "--resume")
    assert again.returncode == 0, again.stderr
    assert "1 photos, 0 of them to do" in again.stderr


def test_a_folder_that_only_has_the_name_of_its_parts_stays(tmp_path: Path) -> None:
    own = tmp_path / "faces.csv.parts" / "mine.txt"
    own.parent.mkdir()
    own.write_text("mine")
    photo, out = SAMPLES / "grace_hopper.jpg", tmp_path / "faces.csv"
    for more in ((), ("--resume",)):
        assert bulk(photo, "--output", out, *more).returncode == 0
        assert contents(own.parent) == {"mine.txt": b"mine"}


def test_modules_among_the_photos_are_not_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copy(SAMPLES / "grace_hopper.jpg", tmp_path / "a.jpg")
    for name in ("multiprocessing", "types"):
        (tmp_path / f"{name}.py").write_text("open('ran', 'w'); raise SystemExit")
    monkeypatch.chdir(tmp_path)
    command = [str(Path(sys.executable).with_name("apparent")), "bulk", "a.jpg", "--output", "out"]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    assert not Path("ran").exists()


def test_a_full_log_costs_no_answers(tmp_path: Path) -> None:
    photo, out = SAMPLES / "grace_hopper.jpg", tmp_path / "out"
    for redirected in ("2>/dev/full", "2>&-"):
        command = f'"$0" -m apparent.cli bulk "$1" --output "$2" --workers 1 {redirected}'
        where = out / str(len(redirected))
        ran = subprocess.run(
            ["sh", "-c", command, sys.executable, str(photo), str(where)], check=False
        )
        assert ran.returncode == 0
        assert list(where.glob("part-*"))


def test_workers_that_end_before_they_begin_end_the_run_with_what_to_do(tmp_path: Path) -> None:
    program = """
import multiprocessing, sys
from apparent.cli import main
multiprocessing.set_executable("/bin/false")
sys.exit(main())
"""
    photo, out = SAMPLES / "grace_hopper.jpg", tmp_path / "out"
    command = [sys.executable, "-c", program, "bulk", str(photo), "--output", str(out)]
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ran.returncode == 2
    assert "go on with --resume" in ran.stderr


def test_several_machines_make_the_parts_of_one_also_on_s3(
    undisturbed: Path, collection: Path, s3: Any
) -> None:
    for share in ("2/2", "1/2"):
        sources = (collection, collection / "more.zip")
        bulk(*sources, "--output", "s3://bucket/out/", "--shard-size", "2", "--shard", share)
    expected = contents(undisturbed)
    del expected["summary.json"]  # which no machine could write
    listed = s3.list_objects_v2(Bucket="bucket", Prefix="out/")["Contents"]
    bodies = [s3.get_object(Bucket="bucket", Key=found["Key"])["Body"].read() for found in listed]
    names = [found["Key"].removeprefix("out/") for found in listed]
    assert dict(zip(names, bodies, strict=True)) == expected


def test_a_prefix_that_ends_like_a_file_has_parts_of_that_format(s3: Any) -> None:
    result = bulk(SAMPLES / "grace_hopper.jpg", "--output", "s3://bucket/faces.csv")
    assert result.returncode == 0, result.stderr
    listed = s3.list_objects_v2(Bucket="bucket", Prefix="faces.csv/part-")["Contents"]
    assert [found["Key"] for found in listed] == ["faces.csv/part-000001-of-000001.csv"]


def test_another_run_is_not_mixed_into_one(undisturbed: Path, collection: Path) -> None:
    sources = (collection, collection / "more.zip", "--output", undisturbed)
    again = bulk(*sources, "--shard-size", "2")
    assert again.returncode == 2
    assert "--resume goes on with it" in again.stderr
    other = bulk(*sources, "--shard-size", "3", "--resume")
    assert other.returncode == 2
    assert "shard_size differ" in other.stderr


def test_a_plot_that_cannot_be_is_told_before_the_work_and_replaces_plots_alone(
    tmp_path: Path,
) -> None:
    photo, out, loop = (tmp_path / name for name in ("a.jpg", "out", "loop"))
    shutil.copy(SAMPLES / "grace_hopper.jpg", photo)
    loop.symlink_to(loop)
    before = photo.read_bytes()
    for plot, told in (
        (tmp_path / "missing" / "ages.png", "is no place for a plot"),
        (tmp_path, "is no place for a plot"),
        (photo, "is no plot"),
        (loop / "ages.png", "is no place for a plot"),
        (out, "cannot be both plot and answers"),
    ):
        refused = bulk(SAMPLES, "--output", out, "--plot", plot)
        assert refused.returncode == 2
        assert refused.stderr.startswith(f"error: {plot} ")
        assert told in refused.stderr
        assert not out.exists()
    assert photo.read_bytes() == before
    for _ in range(2):
        drawn = bulk(photo, "--output", out, "--plot", tmp_path / "ages.png", "--resume")
        assert drawn.returncode == 0, drawn.stderr


def test_a_folder_may_have_the_name_of_a_format(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    result = bulk(SAMPLES / "grace_hopper.jpg", "--output", "csv", "--format", "csv")
    assert result.returncode == 0, result.stderr
    assert {path.name for path in Path("csv").iterdir()} == {
        *("part-000001-of-000001.csv", "plan.json", "summary.json")
    }


def test_one_parquet_file_has_the_schema_that_is_documented(
    collection: Path, tmp_path: Path, undisturbed: Path
) -> None:
    out, plot = tmp_path / "faces.parquet", tmp_path / "ages.png"
    sources = (collection, collection / "more.zip")
    result = bulk(*sources, "--output", out, "--shard-size", "4", "--plot", plot)
    assert result.returncode == 1, result.stderr
    assert plot.read_bytes().startswith(b"\x89PNG")
    assert {path.name for path in tmp_path.iterdir()} == {"faces.parquet", "ages.png"}
    table = pq.read_table(out)
    assert table.schema.equals(schema())
    assert tuple(table.column_names) == ROW
    rows = table.to_pylist()
    assert len({row["file"] for row in rows}) == 9
    assert {Path(row["file"]).name: row["error"] for row in rows if row["error"]} == FAILED
    assert [row["face"] for row in rows if row["file"].endswith("grey.png")] == [None, None]
    again = bulk(*sources, "--output", out, "--shard-size", "4", "--resume")
    assert "0 of them to do" in again.stderr
    assert "3 failed" in again.stderr
    others = bulk(collection, "--output", out, "--shard-size", "4", "--resume")
    assert others.returncode == 2
    assert "answers other photos" in others.stderr


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("out.csv", b"a,b\n1,2\n"),
        ("out.csv", f"file,face\n{SAMPLES / 'grace_hopper.jpg'},1\n".encode()),
        ("out.jsonl", b'{"a": 1}\n'),
        ("out.jsonl", b"[1]\n"),
        ("out.parquet", b"none"),
    ],
)
def test_a_file_of_another_kind_is_not_taken_for_the_answers(
    name: str, content: bytes, tmp_path: Path
) -> None:
    out = tmp_path / name
    out.write_bytes(content)
    result = bulk(SAMPLES / "grace_hopper.jpg", "--output", out, "--resume")
    assert result.returncode == 2
    assert result.stderr.startswith(f"error: {out} is there, and holds no answers")
    assert out.read_bytes() == content


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["nowhere", "--output", "out"], "There is no nowhere"),
        (["", "--output", "out"], "an empty name is no path"),
        ([SAMPLES, "--output", ""], "an empty name is no path"),
        ([SAMPLES, "--output", "out", "--shard", "3/2"], "is not I/N"),
        ([SAMPLES, "--output", "out.csv", "--shard", "1/2"], "need a folder"),
        ([SAMPLES, "--output", "out", "--model", "nowhere"], "manifest.json"),
    ],
)
def test_a_run_that_cannot_start_says_what_to_do(
    arguments: list[str | Path], complaint: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    result = bulk(*arguments)
    assert result.returncode == 2
    assert complaint in result.stderr
    assert not list(tmp_path.iterdir())
