"""The image that AWS Lambda runs: its size, start, latency, overhead and memory.

Every start is compared with a floor taken beside it: a process in the same image that only imports
onnxruntime and opens the two networks.
"""

import http.client
import json
import os
import re
import shutil
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

import boto3
import numpy as np

from apparent.model import EMBEDDED, store
from apparent.model.publish import publish
from apparent.model.writer import write_manifest
from scripts.commands.emulator import IMAGE, Emulator, architecture, emulator, engine
from scripts.commands.events import http_event
from scripts.commands.image import build
from scripts.commands.local_s3 import local_s3

_STARTS: Final = 7
_STAGES: Final = {
    "first_imports_ms": "imports: pydantic, powertools",
    "road_imports_ms": "  then numpy, onnxruntime",
    "load_ms": "  at once: read (S3) and check the model",
    "other_imports_ms": "  then FastAPI, Mangum",
    "open_ms": "  at once: open both sessions",
    "warm_up_ms": "           one warm-up run",
    "init_ms": "Lambda's init, interpreter included",
    "first_answer_ms": "first answer",
    "process_ms": "process start to first answer",
    "container_ms": "container start to first answer",
}
_FLOOR: Final = """
import onnxruntime
options = onnxruntime.SessionOptions()
options.intra_op_num_threads = 1
options.log_severity_level = 3
for name in ("face_detector", "age_gender"):
    path = f"apparent/model/embedded/{name}.onnx"
    onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
print("open", flush=True)
"""
_FLOOR_ALONE: Final = """
import subprocess, sys, time
started = time.perf_counter()
process = subprocess.Popen([sys.executable, "-c", sys.argv[1]], stdout=subprocess.PIPE)
process.stdout.readline()
print(1000 * (time.perf_counter() - started))
"""
_OVERHEAD: Final = """
import json, sys, time
from types import SimpleNamespace
from predict.handler import handler
from apparent.pipeline import Pipeline
event = json.loads(sys.stdin.buffer.readline())
photo = sys.stdin.buffer.read()
context = SimpleNamespace(function_name="f", memory_limit_in_mb=1769, invoked_function_arn="a",
                          aws_request_id="r")
pipeline = Pipeline.load(threads=1)
sides = lambda: handler(event, context), lambda: pipeline(photo)
spent = [[], []]
for _ in range(int(sys.argv[1])):
    for side, times in zip(sides, spent):
        started = time.perf_counter()
        side()
        times.append(1000 * (time.perf_counter() - started))
print(json.dumps(spent))
"""


def event_of(photo: bytes) -> bytes:
    """The API Gateway event of a photo sent as a raw body."""
    event = http_event("POST", "/api/v1/predict", photo, {"content-type": "image/jpeg"})
    return json.dumps(event).encode()


def _publish_another() -> str:
    """Puts the embedded bundle into the local S3 under another name; else it would not be read."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary) / "other"
        shutil.copytree(EMBEDDED, folder)
        manifest = store.manifest_of(folder)
        write_manifest(folder, manifest.model_copy(update={"name": f"{manifest.name}-on-s3"}))
        return publish(folder, "s3://bucket/models")


def invoke(running: Emulator, event: bytes) -> None:
    """Waits for the function's answer, which must be 200."""
    connection = http.client.HTTPConnection(running.address.removeprefix("http://"))
    connection.request("POST", "/2015-03-31/functions/function/invocations", event)
    answer = json.loads(connection.getresponse().read())
    connection.close()
    if answer.get("statusCode") != 200:
        raise RuntimeError(f"The function answered {answer}.")


def inside(*command: str, data: bytes = b"") -> str:
    """What a Python program prints that runs in the image in the function's stead."""
    program = _program(*command)
    return subprocess.run(program, input=data, capture_output=True, check=True).stdout.decode()


def _program(*command: str) -> list[str]:
    program = [engine(), "run", "--rm", "--interactive", "--read-only", "--network=host"]
    return [*program, "--entrypoint=/opt/venv/bin/python", IMAGE, "-c", *command]


def floor_ms() -> float:
    """From the start of a container until its process has opened both networks."""
    started = time.perf_counter()
    with subprocess.Popen(_program(_FLOOR), stdout=subprocess.PIPE) as process:
        if not process.stdout or process.stdout.readline() != b"open\n":
            raise RuntimeError("The floor's process opened no networks.")
        return 1000 * (time.perf_counter() - started)


def milliseconds(work: Callable[[], object]) -> float:
    """How long it takes."""
    started = time.perf_counter()
    work()
    return 1000 * (time.perf_counter() - started)


def start_up(event: bytes, s3: Mapping[str, str], starts: int) -> dict[str, Any]:
    """Medians of starts in turn: the floor, with the embedded model, with the model on S3."""
    spent: dict[str, list[dict[str, float]]] = {"floor": [], "embedded": [], "s3": []}
    for _ in range(starts):
        floor = {"container_ms": floor_ms()}
        spent["floor"].append(floor | {"process_ms": float(inside(_FLOOR_ALONE, _FLOOR))})
        spent["embedded"].append(_one_start(event, {}))
        spent["s3"].append(_one_start(event, s3))
    return {
        side: {name: statistics.median(start[name] for start in starts) for name in starts[0]}
        for side, starts in spent.items()
    }


def _one_start(event: bytes, environment: Mapping[str, str]) -> dict[str, float]:
    started = time.perf_counter()
    with emulator(environment=environment, network="host") as running:
        invoke(running, event)
        answered = time.perf_counter()
    log = "\n".join(running.log)
    init = re.search(r"INIT REPORT\(durationMs: ([\d.]+)\)", log)
    first = re.search(r"INVOKE RTDONE\(.*duration: ([\d.]+)ms\)", log)
    if not init or not first:
        raise RuntimeError(f"The emulator reported no start:\n{log}")
    reported = {"init_ms": float(init[1]), "first_answer_ms": float(first[1])}
    for line in filter(lambda line: line.startswith("{"), running.log):
        report = json.loads(line)
        if report.get("message") in ("started", "model ready"):
            reported = {name: report[name] for name in report if name in _STAGES} | reported
    return reported | {
        "container_ms": 1000 * (answered - started),
        "process_ms": reported["init_ms"] + reported["first_answer_ms"],
    }


def warm(running: Emulator, event: bytes, runs: int) -> dict[str, float]:
    """Percentiles of the time from event to answer, through the emulator."""
    invoke(running, event)
    times = [milliseconds(lambda: invoke(running, event)) for _ in range(runs)]
    return {f"p{share}": float(np.percentile(times, share)) for share in (50, 95, 99)}


def overhead(photo: bytes, runs: int) -> dict[str, float]:
    """Handler, Mangum and FastAPI over the bare pipeline, the two in turn in one process."""
    data = event_of(photo) + b"\n" + photo
    sides = json.loads(inside(_OVERHEAD, str(runs), data=data).splitlines()[-1])
    handler, pipeline = (np.array(times[1:]) for times in sides)
    return {
        "handler_ms": float(np.median(handler)),
        "pipeline_ms": float(np.median(pipeline)),
        "overhead_ms": float(np.median(handler - pipeline)),
    }


def peak_mb(running: Emulator) -> float:
    """The most memory that any process of the container has held, in MB."""
    command = [engine(), "exec", running.name, "sh", "-c", "cat /proc/[0-9]*/status"]
    text = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    return max(int(kib) for kib in re.findall(r"VmHWM:\s+(\d+)", text)) * 1024 / 1e6


def measure(photos: Mapping[str, bytes], runs: int) -> dict[str, Any]:
    """All figures; `photos` as `bench.photos` makes them."""
    build(architecture())
    one, eight = photos["1280x960, 1 face"], photos["1280x750, 8 faces"]
    size = [engine(), "image", "inspect", "--format", "{{.Size}}", IMAGE]
    result: dict[str, Any] = {
        "image_mb": int(subprocess.run(size, capture_output=True, check=True).stdout) / 1e6
    }
    with local_s3() as aws:
        os.environ.update(aws)
        boto3.client("s3").create_bucket(Bucket="bucket")
        uri = _publish_another()
        result["start_up"] = start_up(
            event_of(one), {"APPARENT_MODEL_URI": uri, **aws}, min(runs, _STARTS)
        )
    with emulator() as running:
        result["warm_ms"] = {
            "1 face": warm(running, event_of(one), runs),
            "8 faces": warm(running, event_of(eight), runs),
        }
    with emulator() as running:
        invoke(running, event_of(photos["4000x3000, 8 faces"]))
        result["peak_mb"] = peak_mb(running)
    result["overhead"] = overhead(one, runs)
    return result


def table(result: Mapping[str, Any]) -> str:
    """The figures for people."""
    start, o = result["start_up"], result["overhead"]
    floor = start["floor"]
    lines = [
        f"image {result['image_mb']:.0f} MB; peak memory {result['peak_mb']:.0f} MB for a "
        "12-megapixel photo with 8 faces",
        f"overhead of handler, Mangum and FastAPI {o['overhead_ms']:.1f} ms (p50 over pairs, one "
        f"face; handler {o['handler_ms']:.1f}, bare pipeline {o['pipeline_ms']:.1f})",
        "",
        f"{'warm, ms through the emulator':44}{'p50':>8}{'p95':>8}{'p99':>8}",
    ]
    for name, shares in result["warm_ms"].items():
        lines.append(f"{name:44}" + "".join(f"{value:8.1f}" for value in shares.values()))
    lines += ["", f"{'start, ms':44}{'floor':>10}{'embedded':>10}{'from S3':>10}"]
    for stage, label in _STAGES.items():
        cells = (start[side].get(stage) for side in ("floor", "embedded", "s3"))
        lines.append(
            f"{label:44}" + "".join(" " * 10 if c is None else f"{c:10.0f}" for c in cells)
        )
    for stage in ("process_ms", "container_ms"):
        lines.append(
            f"{_STAGES[stage]} / floor".ljust(54)
            + "".join(f"{start[side][stage] / floor[stage]:10.2f}" for side in ("embedded", "s3"))
        )
    return "\n".join(lines)
