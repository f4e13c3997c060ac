"""The command against S3 on loopback and a stand-in that goes through batches as the machine does.

No stand-in of Step Functions at hand knows ItemBatcher; this one speaks AWS's protocol and runs the
real function. What the machine itself is made of, tests/infra/test_batch.py asserts; its definition
is the real one.
"""

# ruff: noqa: N802, N803 -- AWS's names of actions and arguments
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import pytest
from aws_cdk import App, Stack
from aws_cdk.assertions import Template
from aws_cdk.aws_lambda import Function
from aws_cdk.aws_s3 import Bucket
from aws_cdk.aws_stepfunctions import DefinitionBody, StateMachine

from apparent import Pipeline
from apparent.bulk import s3 as objects
from batch.work import Batch, process
from infra.batch import RESULT_FLAG
from infra.batch_map import definition
from infra.settings import Settings
from tests.conftest import ROOT
from tests.golden.photos import photos

MACHINE = "arn:aws:states:us-east-1:000000000000:stateMachine:Apparent-batch"


@cache
def deployed(source: str, target: str) -> str:
    """The machine's definition for a bucket of photos and one of answers."""
    stack = Stack(App(context={RESULT_FLAG: True}), "Stack")
    function = Function.from_function_arn(
        stack, "F", "arn:aws:lambda:us-east-1:000000000000:function:F"
    )
    input_ = Bucket.from_bucket_name(stack, "Input", source)
    answers = Bucket.from_bucket_name(stack, "Output", target)
    states = definition(stack, Settings(), function, input_, answers)
    StateMachine(stack, "M", definition_body=DefinitionBody.from_chainable(states))
    (found,) = (
        Template.from_stack(stack).find_resources("AWS::StepFunctions::StateMachine").values()
    )
    pieces = found["Properties"]["DefinitionString"]["Fn::Join"][1]
    return "".join(piece if isinstance(piece, str) else "aws" for piece in pieces)


class StandIn:
    """Step Functions' API over one machine; each look at a map's run finishes a batch of it."""

    def __init__(self, s3: Any, pipeline: Pipeline) -> None:
        self.runs: dict[str, dict[str, Any]] = {}
        self.names: list[str] = []
        """Of all runs that were ever started."""
        self.lost = 0
        """Batches yet to fail."""
        self.definition = deployed("bucket", "bucket")
        self._s3, self._pipeline = s3, pipeline

    def call(self, action: str, given: dict[str, Any]) -> dict[str, Any]:
        return getattr(self, f"_{action}")(**given)  # type: ignore[no-any-return]

    def _ListStateMachines(self, **_: Any) -> dict[str, Any]:
        machine = {"stateMachineArn": MACHINE, "name": "Apparent-batch", "type": "STANDARD"}
        return {"stateMachines": [machine | {"creationDate": 0}]}

    def _DescribeStateMachine(self, **_: Any) -> dict[str, Any]:
        return {"stateMachineArn": MACHINE, "definition": self.definition}

    def _ListExecutions(self, **_: Any) -> dict[str, Any]:
        return {"executions": [run["told"] for run in self.runs.values()]}

    def _StartExecution(self, name: str, input: str, **_: Any) -> dict[str, Any]:  # noqa: A002
        arn = f"arn:execution:{name}"
        self.names.append(name)
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
            "results": given["results"],
            "waiting": [items[start : start + 2] for start in range(0, len(items), 2)],
            "counts": {"total": len(items), "succeeded": 0, "failed": 0},
        }
        return {"executionArn": arn, "startDate": time.time()}

    def _DescribeExecution(self, executionArn: str) -> dict[str, Any]:
        run = self.runs[executionArn]
        if not run["waiting"]:
            failed = run["counts"]["failed"]
            run["told"]["status"] = "FAILED" if failed else "SUCCEEDED"
            bucket = objects.split(run["output"])[0]
            self._s3.put_object(Bucket=bucket, Key=f"{run['results']}/id/manifest.json", Body=b"{}")
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
                shared = {"bucket": "bucket", "output": run["output"], "run": run["results"]}
                self._batch(shared, items)
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
    command = [sys.executable, "-m", "scripts.commands.bulk", *arguments, "--interval", "0.01"]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    return subprocess.run(
        command, capture_output=True, text=True, check=False, cwd=ROOT, env=environment
    )


def manifest(s3: Any) -> dict[str, Any]:
    body = s3.get_object(Bucket="bucket", Key="out/run/manifest.json")["Body"].read()
    return json.loads(body)  # type: ignore[no-any-return]


def answered(s3: Any) -> list[str]:
    """The photos of all rows of the output, one for each row."""
    files = []
    told = manifest(s3)
    for name in (*told["parts"], *told["failed"]):
        body = s3.get_object(Bucket="bucket", Key=f"out/run/{name}")["Body"].read()
        files += [json.loads(line)["file"].rpartition("/")[2] for line in body.splitlines()]
    return sorted(files)


def keys(s3: Any, prefix: str) -> list[str]:
    found = s3.list_objects_v2(Bucket="bucket", Prefix=prefix).get("Contents", [])
    return [entry["Key"].removeprefix(prefix) for entry in found]


def clear_up(s3: Any, *prefixes: str) -> None:
    for prefix in prefixes:
        for key in keys(s3, prefix):
            s3.delete_object(Bucket="bucket", Key=f"{prefix}{key}")


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
    assert answered(s3) == ["a.jpg", "b.jpg", "c.jpg", "d.png", "e.jpg"]

    third = bulk(*call)
    assert third.returncode == 0
    assert len(machine.runs) == 2


def test_what_s3_refused_is_tried_again_and_counted_once(s3: Any, machine: StandIn) -> None:
    call = ("s3://bucket/in/", "s3://bucket/out/run/")
    made = photos()
    s3.put_object(Bucket="bucket", Key="in/a.jpg", Body=made["hopper.jpg"])
    s3.put_object(Bucket="bucket", Key="in/b.png", Body=made["no_face.png"])
    assert bulk(*call).returncode == 0
    refused = {"file": "s3://bucket/in/c.jpg", "error": {"kind": "unreadable", "detail": "S3"}}
    for number in range(2):  # as two runs leave it that may not read a photo
        name = f"out/run/failures/{number}.jsonl"
        s3.put_object(Bucket="bucket", Key=name, Body=json.dumps(refused).encode())
    s3.put_object(Bucket="bucket", Key="in/c.jpg", Body=made["collins.jpg"])
    before = manifest(s3)

    machine.lost = 1  # a third try that ends without an answer
    third = bulk(*call)
    assert third.returncode == 1, third.stderr
    assert "1 photos are missing" in third.stderr
    told = manifest(s3)
    assert (told["missing"], told["photos"], told["failures"]) == (1, 3, {"unreadable": 1})

    fourth = bulk(*call)
    assert fourth.returncode == 0, fourth.stderr
    told = manifest(s3)
    assert (told["missing"], told["photos"], told["failures"]) == (0, 3, {})
    assert told["faces"] == before["faces"] + 1


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


def test_what_is_answered_stays_so_where_executions_are_forgotten(
    s3: Any, machine: StandIn
) -> None:
    """After 90 days, or with the stack."""
    call = ("s3://bucket/in/", "s3://bucket/out/run/")
    for key in ("b.png", "d.png", "f.png"):
        s3.put_object(Bucket="bucket", Key=f"in/{key}", Body=photos()["no_face.png"])
    assert bulk(*call).returncode == 0

    machine.runs.clear()
    assert bulk(*call).returncode == 0
    assert len(machine.names) == 1  # nothing was missing

    s3.put_object(Bucket="bucket", Key="in/a.png", Body=photos()["no_face.png"])
    second = bulk(*call)
    assert second.returncode == 0, second.stderr
    assert "1 photos are missing" in second.stderr
    assert (manifest(s3)["missing"], manifest(s3)["photos"]) == (0, 4)
    assert answered(s3) == ["a.png", "b.png", "d.png", "f.png"]

    machine.runs.clear()
    clear_up(s3, "out/run/map/")
    s3.put_object(Bucket="bucket", Key="in/c.png", Body=photos()["no_face.png"])
    assert bulk(*call).returncode == 0
    assert answered(s3) == ["a.png", "b.png", "c.png", "d.png", "f.png"]
    assert [name.rpartition("-")[2] for name in machine.names] == ["1", "2", "3"]
    assert keys(s3, "out/run/lists/") == ["2.jsonl", "3.jsonl"]


def test_no_name_is_used_twice_where_the_oldest_execution_is_forgotten(
    s3: Any, machine: StandIn
) -> None:
    call = ("s3://bucket/in/", "s3://bucket/out/run/")
    for key in ("a.png", "b.png", "c.png"):
        s3.put_object(Bucket="bucket", Key=f"in/{key}", Body=photos()["no_face.png"])
        assert bulk(*call).returncode == 0
        if key == "b.png":
            del machine.runs[next(iter(machine.runs))]
            clear_up(s3, "out/run/map/", "out/run/lists/")
    assert [name.rpartition("-")[2] for name in machine.names] == ["1", "2", "3"]


@pytest.mark.parametrize(
    ("source", "target"),
    [
        ("s3://other/in/", "s3://answers/run/"),
        ("s3://bucket/in/", "s3://other/run/"),
        ("s3://answers/in/", "s3://bucket/run/"),
    ],
)
def test_other_buckets_than_the_deployed_ones_are_refused(
    source: str, target: str, s3: Any, machine: StandIn
) -> None:
    machine.definition = deployed("bucket", "answers")
    for bucket in ("answers", "other"):
        s3.create_bucket(Bucket=bucket)
    for bucket in ("bucket", "answers", "other"):
        s3.put_object(Bucket=bucket, Key="in/a.png", Body=photos()["no_face.png"])
    refused = bulk(source, target)
    assert refused.returncode == 2, refused.stderr
    assert "deployed for photos in s3://bucket/ and answers in s3://answers/" in refused.stderr
    assert f"-c batch_input=s3://{objects.split(source)[0]}/" in refused.stderr
    assert f"-c batch_output=s3://{objects.split(target)[0]}/" in refused.stderr
    assert machine.names == []
    for bucket in ("bucket", "answers", "other"):
        assert s3.list_objects_v2(Bucket=bucket)["KeyCount"] == 1


def test_photos_and_answers_may_have_a_bucket_each(s3: Any, machine: StandIn) -> None:
    machine.definition = deployed("bucket", "answers")
    s3.create_bucket(Bucket="answers")
    s3.put_object(Bucket="bucket", Key="in/a.png", Body=photos()["no_face.png"])
    done = bulk("s3://bucket/in/", "s3://answers/in/run/")  # below in/, but of another bucket
    assert done.returncode == 0, done.stderr
    told = s3.get_object(Bucket="answers", Key="in/run/manifest.json")["Body"].read()
    assert json.loads(told)["photos"] == 1


@pytest.mark.parametrize(
    ("source", "target", "help_"),
    [
        ("s3://bucket/in/", "s3://bucket/in/out/", "not below the source."),
        ("s3://bucket/in/", "s3://bucket/in/", "not below the source."),
        ("s3://bucket/in", "s3://bucket/in/out", "not below the source."),
        ("s3://bucket", "s3://bucket/out/", "not below the source."),
        # S3 lists what begins with these characters, folder or not.
        ("s3://bucket/in", "s3://bucket/in-out/", "end the source in a slash: s3://bucket/in/"),
        ("s3://bucket/out/parts/0", "s3://bucket/out/", "not below the source."),
    ],
)
def test_answers_among_the_photos_are_refused(
    source: str, target: str, help_: str, s3: Any, machine: StandIn
) -> None:
    s3.put_object(Bucket="bucket", Key="in/a.png", Body=photos()["no_face.png"])
    refused = bulk(source, target)
    assert refused.returncode == 2, refused.stderr
    assert f"{target.rstrip('/')} would be taken for photos of {source}." in refused.stderr
    assert refused.stderr.endswith(f"{help_}\n")
    assert machine.names == []
    assert keys(s3, "") == ["in/a.png"]


def test_answers_may_lie_beside_photos_under_a_name_that_begins_alike(
    s3: Any, machine: StandIn
) -> None:
    s3.put_object(Bucket="bucket", Key="in/a.png", Body=photos()["no_face.png"])
    done = bulk("s3://bucket/in/", "s3://bucket/in-out/")
    assert done.returncode == 0, done.stderr
    assert len(machine.names) == 1


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
