"""Latency by stage, start-up, memory, and int8 against fp32, measured on this machine.

Ratios are taken in one run, the two sides in turn, on one core; absolute milliseconds differ
between machines.
"""

import argparse
import io
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import numpy as np
from PIL import Image
from tqdm import tqdm

from apparent.arguments import positive
from apparent.atomic import write_text
from apparent.errors import ModelError
from apparent.estimator import Estimator
from apparent.model import store
from apparent.pipeline import Pipeline
from predict.settings import Settings
from scripts.commands.arguments import existing_file, new_file
from scripts.commands.emulator import ContainerError

PORTRAITS: Final = Path(__file__).parents[2] / "site" / "samples"
_STAGES: Final = ("decode", "detect", "estimate", "total")


def photos() -> dict[str, bytes]:
    """Made from a public-domain portrait: one face and eight, small photos and large."""
    hopper = Image.open(PORTRAITS / "grace_hopper.jpg").convert("RGB")
    eight = Image.new("RGB", (4 * 320, 2 * 375))
    for i in range(8):
        eight.paste(hopper.resize((320, 375)), (i % 4 * 320, i // 4 * 375))
    one = Image.new("RGB", (1280, 960), (120, 125, 130))
    one.paste(hopper.resize((768, 900)), (256, 30))
    crowd = Image.new("RGB", (4000, 3000), (120, 125, 130))
    for i in range(8):
        crowd.paste(hopper.resize((400, 469)), (i % 4 * 1000, i // 4 * 1500))
    pictures = {
        "1280x960, 1 face": one,
        "1280x750, 8 faces": eight,
        "4000x3000, 1 face": one.resize((4000, 3000), Image.Resampling.BICUBIC),
        "4000x3000, 8 faces": crowd,
    }
    return {name: jpeg(picture) for name, picture in pictures.items()}


def jpeg(picture: Image.Image) -> bytes:
    """As cameras write one: quality 90."""
    file = io.BytesIO()
    picture.save(file, "JPEG", quality=90)
    return file.getvalue()


def latency(pipeline: Pipeline, photo: bytes, runs: int) -> dict[str, dict[str, float]]:
    """Median and 95th percentile of each stage, in milliseconds."""
    pipeline(photo)
    timings = [pipeline(photo).timing_ms for _ in range(runs)]
    columns = {stage: [timing[stage] for timing in timings] for stage in _STAGES}
    return {
        stage: {"p50": statistics.median(times), "p95": float(np.percentile(times, 95))}
        for stage, times in columns.items()
    }


def milliseconds(*sides: Callable[[], Any], runs: int) -> list[float]:
    """Median time of each side, run in turn so that other load meets both."""
    times: list[list[float]] = [[] for _ in sides]
    for _ in range(runs + 1):
        for side, spent in zip(sides, times, strict=True):
            started = time.perf_counter()
            side()
            spent.append(1000 * (time.perf_counter() - started))
    return [statistics.median(spent[1:]) for spent in times]


def quantisation(files: store.Bundle, fp32: Path | None, runs: int) -> dict[str, Any]:
    """The estimator on one chip and one core, int8 against fp32.

    Without its fp32 original, the int8 graph is compared with itself, its weights as floats.
    """
    from training.release.quantize import dequantize

    twin = dequantize(files.estimator) if fp32 is None else fp32.read_bytes()
    quantised, reference = Estimator(files.estimator, threads=1), Estimator(twin, threads=1)
    size = quantised.chip_size
    chip = np.random.default_rng(0).integers(0, 256, (1, size, size, 3), dtype=np.uint8)
    int8_ms, fp32_ms = milliseconds(
        lambda: quantised.estimate(chip), lambda: reference.estimate(chip), runs=runs
    )
    return {
        "int8_ms": int8_ms,
        "fp32_ms": fp32_ms,
        "times_faster": fp32_ms / int8_ms,
        "int8_bytes": len(files.estimator),
        "fp32_bytes": len(twin),
        "share_of_size": len(files.estimator) / len(twin),
    }


_FIRST_ANSWER: Final = """
import sys, time
started = time.perf_counter()
from apparent.pipeline import Pipeline
imported = time.perf_counter()
pipeline = Pipeline.load(sys.argv[1], threads=1)
pipeline.warm_up()
loaded = time.perf_counter()
pipeline(open(sys.argv[2], "rb").read())
answered = time.perf_counter()
import json, pathlib, re
status = pathlib.Path("/proc/self/status").read_text()  # getrusage counts the parent's peak, too
peak = int(re.search(r"VmHWM:\\s+(\\d+)", status)[1]) / 1024
print(json.dumps({"import_ms": 1000 * (imported - started), "load_ms": 1000 * (loaded - imported),
                  "answer_ms": 1000 * (answered - loaded), "peak_mib": peak}))
"""


def start_up(model_uri: str, photo: bytes, runs: int) -> dict[str, float]:
    """Medians over fresh processes, from the first import to the first answer."""
    with tempfile.NamedTemporaryFile(suffix=".jpg") as file:
        file.write(photo)
        file.flush()
        command = [sys.executable, "-c", _FIRST_ANSWER, model_uri, file.name]
        outputs = [
            json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
            for _ in range(runs)
        ]
    return {name: statistics.median(output[name] for output in outputs) for name in outputs[0]}


def measure(model_uri: str, fp32: Path | None, runs: int) -> dict[str, Any]:
    """All figures, as they are written with --json."""
    files = store.load(model_uri)
    pipeline = Pipeline(files, Settings().max_pixels, threads=1)
    pictures = photos()
    bar = tqdm(total=len(pictures) + 2, desc="bench", disable=None)
    result: dict[str, Any] = {
        "model": {"name": files.manifest.name, "version": files.manifest.version},
        "threads": 1,
        "latency_ms": {},
    }
    for name, photo in pictures.items():
        result["latency_ms"][name] = latency(pipeline, photo, runs)
        bar.update()
    result["quantisation"] = quantisation(files, fp32, runs)
    bar.update()
    result["start_up"] = start_up(model_uri, pictures["4000x3000, 8 faces"], runs=5)
    bar.update()
    bar.close()
    return result


def table(result: dict[str, Any]) -> str:
    """The figures for people."""
    lines = [f"{'p50 / p95 ms, one core':24}" + "".join(f"{stage:>16}" for stage in _STAGES)]
    for name, stages in result["latency_ms"].items():
        cells = (f"{stages[s]['p50']:.1f} / {stages[s]['p95']:.1f}" for s in _STAGES)
        lines.append(f"{name:24}" + "".join(f"{cell:>16}" for cell in cells))
    q, s = result["quantisation"], result["start_up"]
    lines += [
        "",
        f"int8 against fp32: {q['int8_ms']:.1f} ms against {q['fp32_ms']:.1f} ms, "
        f"{q['times_faster']:.2f} times faster, {q['share_of_size']:.3f} of the size "
        f"({q['int8_bytes'] / 1e6:.1f} MB)",
        f"start to first answer: {s['import_ms'] + s['load_ms'] + s['answer_ms']:.0f} ms "
        f"(imports {s['import_ms']:.0f}, model {s['load_ms']:.0f}, 12-megapixel photo of 8 faces "
        f"{s['answer_ms']:.0f}), peak memory {s['peak_mib']:.0f} MiB",
    ]
    return "\n".join(lines)


def main() -> int:
    """Measures and prints."""
    parser = argparse.ArgumentParser(prog="scripts/bench", description=__doc__)
    parser.add_argument(
        "--json", type=new_file, metavar="FILE", help="also write the figures there"
    )
    parser.add_argument("--container", action="store_true", help="of the image, not this machine")
    parser.add_argument(
        "--fp32", type=existing_file, metavar="ONNX", help="the fp32 export of the model"
    )
    parser.add_argument("--runs", type=positive, default=50, help="per figure")
    args = parser.parse_args()
    try:
        if args.container:
            from scripts.commands import bench_container

            result = bench_container.measure(photos(), args.runs)
            print(bench_container.table(result))
        else:
            result = measure(Settings().model_uri, args.fp32, args.runs)
            print(table(result))
    except (ContainerError, ModelError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    if args.json:
        write_text(args.json, json.dumps(result, indent=2) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
