"""The command against S3 on loopback and a stand-in that goes through batches as the machine does.

No stand-in of Step Functions at hand knows ItemBatcher; this one speaks AWS's protocol and runs the
real function. What the machine itself is made of, tests/infra/test_batch.py asserts.
"""

# ruff: noqa: N802, N803 -- AWS's names of actions and arguments
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import pytest

from apparent import Pipeline
from apparent.bulk import s3 as objects
from batch.work import Batch, process
from tests.conftest import ROOT
from tests.golden.photos import photos

MACHINE = "arn:aws:states:us-east-1:000000000000:stateMachine:Apparent-batch"


class StandIn:
    """Step Functions' API over one machine; each look at a map's run finishes a batch of it."""

    def __init__(self, s3: Any, pipeline: Pipeline) -> None:
        self.runs: dict[str, dict[str, Any]] = {}
        self.lost = 0
        """Batches yet to fail."""
        self._s3, self._pipeline = s3, pipeline

    def call(self, action: str, given: dict[str, Any]) -> dict[str, Any]:
        return getattr(self, f"_{action}")(**given)  # type: ignore[no-any-return]

    def _ListStateMachines(self, **_: Any) -> dict[str, Any]:
        machine = {"stateMachineArn": MACHINE, "name": "Apparent-batch", "type": "STANDARD"}
        return {"stateMachines": [machine | {"creationDate": 0}]}

    def _ListExecutions(self, **_: Any) -> dict[str, Any]:
        return {"executions": [run["told"] for run in self.runs.values()]}

    def _StartExecution(self, name: str, input: str, **_: Any) -> dict[str, Any]:  # noqa: A002
        arn = f"arn:execution:{name}"
        given = json.loads(input)
        if "list" in given:
            body = self._s3.get_object(Bucket="bucket", Key=given["list"])["Body"].read()
            items = [json.loads(line) for line in body.splitlines()]
        else:
            found = self._s3.list_objects_v2(Bucket="bucket", Prefix=given["prefix"])
            items = [{"Key": entry["Key"]} for entry in found["Contents"]]
        told = {"executionArn": arn, "stateMachineArn": MACHINE, "name": name, "status": "RUNNING"}
        self.runs[arn] = {
            "told": told | {"startDate": time.time()},
            "output": given["output"],
            "waiting": [items[start : start + 2] for start in range(0, len(items), 2)],
            "counts": {"total": len(items), "succeeded": 0, "failed": 0},
        }
        return {"executionArn": arn, "startDate": time.time()}

    def _DescribeExecution(self, executionArn: str) -> dict[str, Any]:
        run = self.runs[executionArn]
        if not run["waiting"]:
            failed = run["counts"]["failed"]
            run["told"]["status"] = "FAILED" if failed else "SUCCEEDED"
        return dict(run["told"])

    def _ListMapRuns(self, executionArn: str, **_: Any) -> dict[str, Any]:
        told = {"executionArn": executionArn, "mapRunArn": executionArn, "startDate": 0}
        return {"mapRuns": [told | {"stateMachineArn": MACHINE}]}

    def _DescribeMapRun(self, mapRunArn: str) -> dict[str, Any]:
        run = self.runs[mapRunArn]
        if run["waiting"]:
            items = run["waiting"].pop(0)
            outcome = "failed" if self.lost else "succeeded"
            run["counts"][outcome] += len(items)
            if self.lost:
                self.lost -= 1
            else:
                self._batch({"bucket": "bucket", "output": run["output"]}, items)
        return {"itemCounts": run["counts"], "startDate": run["told"]["startDate"]}

    def _batch(self, shared: dict[str, str], items: list[dict[str, str]]) -> None:
        now = Batch.model_validate({"BatchInput": shared, "Items": items})
        while True:
            now = process(now, self._pipeline, lambda: 60)
            if not now.unfinished:
                return


@pytest.fixture
def machine(s3: Any, pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch) -> Iterator[StandIn]:
    objects.client.cache_clear()
    stand_in = StandIn(s3, pipeline)

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            given = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            action = self.headers.get("X-Amz-Target", "").rpartition(".")[2]
            try:
                status, answer = 200, stand_in.call(action, given)
            except AttributeError:
                status, answer = 400, {"__type": "AccessDeniedException"}
            body = json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *args: object) -> None:
            """Silent."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    monkeypatch.setenv("AWS_ENDPOINT_URL_SFN", f"http://127.0.0.1:{server.server_port}")
    yield stand_in
    server.shutdown()
    thread.join()
    server.server_close()
    objects.client.cache_clear()


def bulk(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "scripts.commands.bulk", *arguments, "--interval", "0"]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    return subprocess.run(
        command, capture_output=True, text=True, check=False, cwd=ROOT, env=environment
    )


def manifest(s3: Any) -> dict[str, Any]:
    body = s3.get_object(Bucket="bucket", Key="out/run/manifest.json")["Body"].read()
    return json.loads(body)  # type: ignore[no-any-return]


def test_a_bucket_is_done_and_done_again_only_where_something_is_missing(
    s3: Any, machine: StandIn
) -> None:
    made = photos()
    for key, data in {
        "a.jpg": made["hopper.jpg"],
        "b.jpg": made["collins.jpg"],
        "c.jpg": made["hopper.jpg"][:3000],
        "d.png": made["no_face.png"],
    }.items():
        s3.put_object(Bucket="bucket", Key=f"in/{key}", Body=data)
    call = ("s3://bucket/in/", "s3://bucket/out/run/")

    machine.lost = 1  # the first batch ends without an answer
    first = bulk(*call)
    assert first.returncode == 1, first.stderr
    assert "of 4 photos" in first.stderr
    assert "ended as FAILED" in first.stderr
    told = manifest(s3)
    assert (told["missing"], told["photos"], told["failures"]) == (2, 2, {"undecodable": 1})

    s3.put_object(Bucket="bucket", Key="in/e.jpg", Body=made["collins.jpg"])
    second = bulk(*call)
    assert second.returncode == 0, second.stderr
    assert "3 photos are missing" in second.stderr
    told = manifest(s3)
    assert (told["missing"], told["photos"], told["faces"]) == (0, 5, 3)
    assert told["photos_without_face"] == 1
    files = []
    for name in (*told["parts"], *told["failed"]):
        body = s3.get_object(Bucket="bucket", Key=f"out/run/{name}")["Body"].read()
        files += [json.loads(line)["file"] for line in body.splitlines()]
    assert sorted(files) == [f"s3://bucket/in/{key}" for key in
                             ("a.jpg", "b.jpg", "c.jpg", "d.png", "e.jpg")]  # fmt: skip

    third = bulk(*call)
    assert third.returncode == 0
    assert len(machine.runs) == 2


def test_a_run_that_was_left_is_returned_to(s3: Any, machine: StandIn) -> None:
    s3.put_object(Bucket="bucket", Key="in/a.png", Body=photos()["no_face.png"])
    call = ("s3://bucket/in/", "s3://bucket/out/run/")
    assert bulk(*call).returncode == 0
    (run,) = machine.runs.values()
    run["told"]["status"] = "RUNNING"  # as if it had not ended
    again = bulk(*call)
    assert again.returncode == 0
    assert "The run goes on" in again.stderr
    assert len(machine.runs) == 1


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (("s3://bucket/in/", "s3://bucket/out/", "--stack", "Other"), "scripts/deploy"),
        (("s3://bucket/in/", "s3://bucket"), "Name a prefix of the output"),
        (("photos", "s3://bucket/out/"), "no S3 address"),
    ],
)
def test_what_cannot_run_says_what_to_do(
    arguments: tuple[str, ...], complaint: str, machine: StandIn
) -> None:
    result = bulk(*arguments)
    assert result.returncode == 2
    assert complaint in result.stderr
