"""What a photo of a collection takes: CPU time and memory of one process with one thread.

    python -m scripts.commands.bench_bulk [--photos ZIP --count 400]

CPU time, as other work on a machine changes it less than the clock's. With a zip of photos also
what several workers gain by the clock, whether their answers are the same, and how memory goes
meanwhile, read from /proc (Linux).
"""

import argparse
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from PIL import Image

from apparent import Pipeline
from apparent.arguments import positive
from apparent.bulk.run import Bulk
from apparent.bulk.sources import find_names
from apparent.cpus import usable_cpus
from scripts.commands.arguments import new_file
from scripts.commands.bench import jpeg
from scripts.commands.fuzz import memory

_PORTRAIT: Final = Path(__file__).parents[2] / "site" / "samples" / "grace_hopper.jpg"
_RUNS: Final = 5
_STEPS: Final = 100
"""How often memory is read."""


def photos() -> dict[str, bytes]:
    """JPEGs of one face, made from a portrait."""
    portrait = Image.open(_PORTRAIT).convert("RGB")
    large = Image.new("RGB", (4000, 3000), (120, 125, 130))
    large.paste(portrait.resize((1280, 1500)), (1000, 900))
    chip = portrait.crop((120, 60, 420, 360)).resize((200, 200))
    return {
        "chip, 200 x 200": jpeg(chip),
        "portrait, 512 x 600": jpeg(portrait),
        "12 megapixels": jpeg(large),
    }


def run(names: Sequence[str], out: Path, workers: int) -> Iterator[tuple[int, float, int]]:
    """Photos answered, seconds and MB of all its processes, now and then."""
    bulk = Bulk(names, str(out), kind="jsonl", shard_size=100)
    started = time.perf_counter()
    for number, _ in enumerate(bulk.run(workers), start=1):
        if number % max(1, len(names) // _STEPS) == 0 or number == len(names):
            yield number, time.perf_counter() - started, family_memory()


def family_memory() -> int:
    """MB of this process and its workers; what they share is counted for each."""
    children = Path("/proc/self/task").glob("*/children")
    pids = ["self", *(pid for listed in children for pid in listed.read_text().split())]
    return round(sum(memory("VmRSS", pid) for pid in pids))


def compare(names: Sequence[str], counts: Sequence[int], picture: Path | None) -> None:
    """Prints photos a second by number of workers, and whether the answers are the same."""
    from matplotlib.figure import Figure  # which the first table does not need

    answers, rates = [], []
    figure = Figure(figsize=(7, 3.5), layout="constrained")
    axes = figure.subplots()
    print(f"\n{'workers':9}{'photos/s':>10}{'times':>7}   MB after a tenth, at most, at the end")
    for workers in counts:
        with tempfile.TemporaryDirectory() as folder:
            told = list(run(names, Path(folder) / "out", workers))
            parts = sorted(Path(folder, "out").glob("part-*"))
            answers.append(b"".join(part.read_bytes() for part in parts))
        rates.append(told[-1][0] / told[-1][1])
        megabytes = [memory for _, _, memory in told]
        shown = megabytes[len(told) // 10], max(megabytes), megabytes[-1]
        print(f"{workers:<9}{rates[-1]:10.1f}{rates[-1] / rates[0]:7.2f}   {shown}", flush=True)
        axes.plot([number for number, _, _ in told], megabytes, label=str(workers))
    print("the answers are the same:", len(set(answers)) == 1)
    axes.set(xlabel="photos answered", ylabel="memory of all processes, MB", ylim=(0, None))
    axes.legend(title="workers")
    if picture:
        figure.savefig(picture, dpi=120)


def main() -> None:
    """Prints both tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--photos", help="a zip or folder of photos")
    parser.add_argument("--count", type=positive, default=400, help="how many of them")
    parser.add_argument("--workers", type=positive, nargs="+", default=[1, usable_cpus()])
    parser.add_argument(
        "--plot", type=new_file, metavar="PNG", help="memory while they are answered"
    )
    args = parser.parse_args()
    pipeline = Pipeline.load(threads=1)
    pipeline.warm_up()
    print(f"{'photo':22}{'CPU ms':>8}{'peak MB':>9}")
    for name, data in photos().items():
        pipeline(data)
        started = time.process_time()
        for _ in range(_RUNS):
            pipeline(data)
        spent = (time.process_time() - started) / _RUNS
        print(f"{name:22}{1000 * spent:8.0f}{memory('VmHWM'):9.0f}")
    del pipeline
    if args.photos:
        names = find_names([args.photos])
        compare(names[:: max(1, len(names) // args.count)][: args.count], args.workers, args.plot)


if __name__ == "__main__":
    main()
