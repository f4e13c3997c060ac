"""A bucket's photos through the deployed Step Functions machine: started, watched, and told of.

Leave it and call it again whenever you like: it watches a run that goes on, and after one that has
ended does only what is missing.
"""

import argparse
import hashlib
import json
import re
import sys
import time
from collections.abc import Iterator
from typing import Any, Final

import boto3
from botocore.exceptions import BotoCoreError, ClientError

from apparent.bulk.parts import S3Parts
from apparent.bulk.plan import BulkError
from apparent.bulk.s3 import listed, split
from apparent.bulk.summary import Summary
from apparent.bulk.tables import decode
from infra.cost import GB_SECOND, LAMBDA_REQUEST
from scripts.commands.arguments import seconds

MANIFEST: Final = "manifest.json"
ANSWERS: Final = ("parts/", "failures/")
PASSING: Final = ("timeout", "unavailable", "unreadable")
"""Kinds of failures that are none of the photo's: the next run tries again."""
WRITTEN: Final = (*ANSWERS, "lists/", "map/", MANIFEST)
"""What a run makes below its output."""


class Machine:
    """The deployed state machine."""

    def __init__(self, stack: str) -> None:
        self._client = boto3.client("stepfunctions")
        pages = self._client.get_paginator("list_state_machines").paginate()
        found = [
            m for page in pages for m in page["stateMachines"] if m["name"] == f"{stack}-batch"
        ]
        if not found:
            raise BulkError(
                f"Stack {stack} has no machine for collections here. Deploy it: scripts/deploy "
                "-c batch_input=s3://IN/ -c batch_output=s3://OUT/"
            )
        self._stack = stack
        self._arn: str = found[0]["stateMachineArn"]
        told = self._client.describe_state_machine(stateMachineArn=self._arn)
        self._states: dict[str, Any] = json.loads(told["definition"])["States"]

    def check(self, source: str, where: str) -> None:
        """Raises `BulkError` where it has other buckets: a run gives it prefixes only."""
        photos, answers = split(source)[0], split(where)[0]
        deployed = _buckets(self._states)
        if deployed != (photos, answers):
            raise BulkError(
                f"Stack {self._stack} is deployed for photos in s3://{deployed[0]}/ and answers in "
                f"s3://{deployed[1]}/, not in s3://{photos}/ and s3://{answers}/. Name addresses "
                "there, or deploy it for these: scripts/deploy "
                f"-c batch_input=s3://{photos}/PREFIX/ -c batch_output=s3://{answers}/PREFIX/"
            )

    def runs(self, digest: str) -> list[dict[str, Any]]:
        """Executions over one input and output, oldest first."""
        pages = self._client.get_paginator("list_executions").paginate(stateMachineArn=self._arn)
        every = [run for page in pages for run in page["executions"]]
        return sorted((run for run in every if run["name"].startswith(digest)), key=_number)

    def start(self, name: str, given: dict[str, str]) -> str:
        """The execution's ARN."""
        started = self._client.start_execution(
            stateMachineArn=self._arn, name=name, input=json.dumps(given)
        )
        return str(started["executionArn"])

    def watch(self, run: str, interval: float) -> str:
        """Tells how it goes until it has ended; returns how."""
        while True:
            status = self._client.describe_execution(executionArn=run)
            line = [self._progress(run), self._cost(status["startDate"])]
            print("  ".join(part for part in line if part), file=sys.stderr)
            if status["status"] != "RUNNING":
                return str(status["status"])
            time.sleep(interval)

    def _progress(self, run: str) -> str:
        maps = self._client.list_map_runs(executionArn=run)["mapRuns"]
        if not maps:
            return "listing photos"
        told = self._client.describe_map_run(mapRunArn=maps[0]["mapRunArn"])
        items, since = told["itemCounts"], told["startDate"].timestamp()
        done = items["succeeded"] + items["failed"]
        rate = done / max(1.0, told.get("stopDate", told["startDate"]).timestamp() - since)
        if "stopDate" not in told:
            rate = done / max(1.0, time.time() - since)
        left = items["total"] - done
        ahead = f", {left / rate / 60:,.0f} minutes left" if left and rate else ""
        return (
            f"{done:,} of {items['total']:,} photos, {items['failed']:,} in failed batches, "
            f"{rate:,.0f} a second{ahead}"
        )

    def _cost(self, since: Any) -> str:
        """Of the function, whose time is most of it; nothing where it may not be asked for."""
        try:
            name = _function(self._states)
            function = boto3.client("lambda").get_function_configuration(FunctionName=name)
            watch = boto3.client("cloudwatch")
            ms, calls = (_sum(watch, metric, name, since) for metric in ("Duration", "Invocations"))
        except (BotoCoreError, ClientError, LookupError):
            return ""
        gb = function["MemorySize"] / 1024
        price = GB_SECOND[function.get("Architectures", ["x86_64"])[0]]
        return f"{ms / 1000 * gb * price + calls * LAMBDA_REQUEST:,.2f} dollars of Lambda so far"


def _number(run: dict[str, Any]) -> int:
    return int(run["name"].rpartition("-")[2])


def _buckets(states: dict[str, Any]) -> tuple[str, str]:
    """Of the photos, and of the answers."""
    maps = [state for state in states.values() if state["Type"] == "Map"]
    readers = [state["ItemReader"]["Parameters"] for state in maps]
    photos = next(reader["Bucket"] for reader in readers if "Prefix.$" in reader)
    return photos, maps[0]["ResultWriter"]["Parameters"]["Bucket"]


def _function(states: dict[str, Any]) -> str:
    inside = (
        inner
        for state in states.values()
        for inner in state.get("ItemProcessor", {}).get("States", {}).values()
    )
    return str(next((inner["Resource"] for inner in inside if inner["Type"] == "Task"), ""))


def _sum(watch: Any, metric: str, function: str, since: Any) -> float:
    points = watch.get_metric_statistics(
        Namespace="AWS/Lambda",
        MetricName=metric,
        Dimensions=[{"Name": "FunctionName", "Value": function.rpartition(":")[2]}],
        StartTime=since,
        EndTime=time.time(),
        Period=3600,
        Statistics=["Sum"],
    )["Datapoints"]
    return float(sum(point["Sum"] for point in points))


class Output:
    """What is at the output."""

    def __init__(self, uri: str) -> None:
        self.uri = uri.rstrip("/")
        self.parts = S3Parts(uri)
        self.summary = Summary()
        self.done: set[int] = set()
        """Hashes of the files that have an answer or a failure that stays: eight bytes each."""
        self.names = sorted(self.parts.names())
        self.answered = any(name.startswith(ANSWERS) for name in self.names)
        """Whether a run has answered any photo."""

    def last_number(self) -> int:
        """Of the runs that left something here, which Step Functions may have forgotten; or 0."""
        found = (re.match(r"(?:lists|map)/(\d+)\b", name) for name in self.names)
        return max((int(run[1]) for run in found if run), default=0)

    def count(self) -> None:
        """Reads all parts and failures, one at a time; of a photo that failed more than once, or
        was answered later, the last word counts.
        """
        failed: dict[int, str] = {}
        for name in self.names:
            if name.startswith(ANSWERS):
                rows = list(decode(self.parts.read(name), name.rpartition(".")[2]))
                if name.startswith("failures/"):
                    for row in rows:
                        photo = _hash(row["file"])
                        if photo not in failed or failed[photo] in PASSING:
                            failed[photo] = row["error"]
                else:
                    self.summary.add(rows)
                    self.done.update(_hash(row["file"]) for row in rows)
        failed = {photo: kind for photo, kind in failed.items() if photo not in self.done}
        self.summary.add({"error": kind} for kind in failed.values())
        self.done.update(photo for photo, kind in failed.items() if kind not in PASSING)

    def manifest(self, source: str, missing: int) -> bytes:
        """Where everything is."""
        told = {
            "input": source,
            "output": self.uri,
            "missing": missing,
            **json.loads(self.summary.to_json()),
            "parts": [name for name in self.names if name.startswith("parts/")],
            "failed": [name for name in self.names if name.startswith("failures/")],
        }
        return json.dumps(told, indent=2).encode() + b"\n"


def _hash(name: str) -> int:
    return int.from_bytes(hashlib.blake2b(name.encode(), digest_size=8).digest())


def _missing(source: str, output: Output) -> Iterator[str]:
    for name in listed(source):
        if _hash(name) not in output.done:
            yield split(name)[1]


def _check_apart(source: str, where: str) -> None:
    """Raises `BulkError` where each run would find the answers of the last among its photos."""
    if not _overlap(source, where):
        return
    folder = source.rstrip("/") + "/"
    otherwise = "." if _overlap(folder, where) else f", or end the source in a slash: {folder}"
    raise BulkError(
        f"What is written below {where} would be taken for photos of {source}. "
        f"Name an output that is not below the source{otherwise}"
    )


def _overlap(source: str, where: str) -> bool:
    """Whether the source's listing would have what is written: S3 compares characters, and
    `photos` has `photos-out/`, too.
    """
    (bucket, photos), (target, answers) = split(source), split(where)
    written = [f"{answers}/{name}" for name in WRITTEN]
    return bucket == target and any(
        key.startswith(photos) or photos.startswith(key) for key in written
    )


def bulk(source: str, target: str, stack: str, interval: float) -> int:
    """0 where every photo has an answer or a failure of its own, 1 where some are missing."""
    where = target.rstrip("/")
    _check_apart(source, where)
    machine = Machine(stack)
    machine.check(source, where)
    digest = hashlib.sha256(f"{source} {where}".encode()).hexdigest()[:24]
    runs = machine.runs(digest)
    if runs and runs[-1]["status"] == "RUNNING":
        print("The run goes on; watching it.", file=sys.stderr)
        run = runs[-1]["executionArn"]
    else:
        before = Output(where)
        number = 1 + max(before.last_number(), _number(runs[-1]) if runs else 0)
        given = _work(source, before, number)
        if given is None:
            return _finish(source, before, 0)
        run = machine.start(f"{digest}-{number}", given)
    status = machine.watch(run, interval)
    if status != "SUCCEEDED":
        print(f"The run ended as {status}; {where}/map/ says which batches.", file=sys.stderr)
    after = Output(where)
    after.count()
    return _finish(source, after, sum(1 for _ in _missing(source, after)))


def _work(source: str, before: Output, number: int) -> dict[str, str] | None:
    """What the machine is given: the prefix, or a list of what is missing; None: nothing is."""
    prefix = split(before.uri)[1]
    given = {
        "prefix": split(source)[1],
        "output": before.uri,
        "results": f"{prefix}/map/{number}",
    }
    if before.answered:  # by a run that Step Functions may have forgotten
        before.count()
        keys = [json.dumps({"Key": key}) for key in _missing(source, before)]
        if not keys:
            return None
        given["list"] = f"{prefix}/lists/{number}.jsonl"
        before.parts.write(f"lists/{number}.jsonl", "\n".join(keys).encode() + b"\n")
        print(f"{len(keys):,} photos are missing; doing those.", file=sys.stderr)
    return given


def _finish(source: str, output: Output, missing: int) -> int:
    output.parts.write(MANIFEST, output.manifest(source, missing))
    print(f"{output.summary}\n{missing:,} missing", file=sys.stderr)
    print(f"{output.uri}/{MANIFEST}")
    return 1 if missing else 0


def main() -> int:
    """Does what the command line says."""
    parser = argparse.ArgumentParser(
        prog="scripts/bulk",
        description=__doc__,
        epilog="Answers and the photos' keys stay in your output bucket: who can read it can read "
        "how people look. Exit status: 0 all done, 1 some missing, 2 it could not run.",
    )
    parser.add_argument("source", metavar="s3://IN/", help="below what batch_input says")
    parser.add_argument("target", metavar="s3://OUT/RUN/", help="below what batch_output says")
    parser.add_argument("--stack", default="Apparent")
    parser.add_argument("--interval", type=seconds, default=10, help="seconds between two lines")
    args = parser.parse_args()
    try:
        if "" in (split(args.target)[1], split(args.source)[0]):
            raise BulkError("Name a prefix of the output for this run: s3://OUT/RUN/")
        return bulk(args.source, args.target, args.stack, args.interval)
    except (BotoCoreError, ClientError, OSError, ValueError, BulkError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("The run goes on without you; the same command returns to it.", file=sys.stderr)
        return 130


if __name__ == "__main__":
    sys.exit(main())
