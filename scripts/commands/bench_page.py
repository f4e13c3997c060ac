"""The page's engine on this device, in Chromium: bytes, times, memory, nearness to the library.

With labelled faces (a zip of photos, a CSV with the columns file and split) it is compared on them.
"""

import argparse
import base64
import json
import os
import shutil
import statistics
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final

import numpy as np
from playwright.sync_api import Page, sync_playwright
from tqdm import tqdm

from apparent import Pipeline
from apparent.arguments import positive
from apparent.atomic import write_text
from scripts.commands.arguments import existing_file, new_file
from scripts.commands.fuzz import memory
from scripts.commands.load import PHOTO, StartError, served
from training.data.labels import read_labels
from training.data.prepare import photos

_PREDICT: Final = """async (text) => {
  const {predict} = await import("/engine/local.js");
  const bytes = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
  return predict(new Blob([bytes]), new AbortController().signal);
}"""
_DOWNLOAD: Final = """async () => {
  const {offered, store, sizeOf} = await import("/engine/store.js");
  const bundle = await offered();
  const started = performance.now();
  await store(bundle, new AbortController().signal, () => {});
  return {bytes: sizeOf(bundle), seconds: (performance.now() - started) / 1000};
}"""


@contextmanager
def page() -> Iterator[Page]:
    """The page, served on loopback, in Chromium."""
    with served() as (address, _), sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium"),
            args=["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"],
        )
        opened = browser.new_page()
        opened.set_default_timeout(0)
        opened.goto(address, wait_until="networkidle")
        yield opened
        browser.close()


def predict(page: Page, photo: bytes) -> dict[str, Any]:
    """The engine's answer."""
    answer: dict[str, Any] = page.evaluate(_PREDICT, base64.b64encode(photo).decode())
    return answer


def peak_memory() -> float:
    """MB that the largest renderer of this program's browser had resident at most."""
    peaks = [0.0]
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):  # it has ended meanwhile
            if b"--type=renderer" in (process / "cmdline").read_bytes() and _is_ours(process.name):
                peaks.append(memory("VmHWM", process.name))
    return max(peaks)


def _is_ours(process: str) -> bool:
    while int(process) > 1:
        if int(process) == os.getpid():
            return True
        process = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[1]
    return False


def speed(page: Page, runs: int) -> dict[str, Any]:
    """What a visitor waits for."""
    downloaded = page.evaluate(_DOWNLOAD)
    portrait = PHOTO.read_bytes()
    started = time.perf_counter()
    predict(page, portrait)
    first = time.perf_counter() - started
    times = [predict(page, portrait)["timing_ms"] for _ in range(runs)]
    return {
        "bytes_once": downloaded["bytes"],
        "download_s_on_loopback": round(downloaded["seconds"], 1),
        "first_answer_s_with_the_model_s_loading": round(first, 1),
        "ms_a_portrait": {
            step: round(statistics.median(run[step] for run in times)) for step in times[0]
        },
        "peak_memory_mb": round(peak_memory()),
    }


def parity(page: Page, photos: list[bytes]) -> dict[str, Any]:
    """The device's answers beside the library's, of the largest face of each photo."""
    pipeline = Pipeline.load()
    years, probabilities, labels, found = [], [], 0, 0
    for photo in tqdm(photos, unit="photo"):
        mine = predict(page, photo)
        theirs = pipeline(photo).to_dict()
        found += mine["faces_found"] == theirs["faces_found"]
        for one, other in zip(mine["faces"][:1], theirs["faces"][:1], strict=True):
            years.append(abs(one["age"]["years"] - other["age"]["years"]))
            gender, other_gender = one["gender"], other["gender"]
            labels += gender["label"] == other_gender["label"]
            if "uncertain" not in (gender["label"], other_gender["label"]):
                probabilities.append(abs(gender["probability"] - other_gender["probability"]))
    return {
        "photos": len(photos),
        "as_many_faces": found,
        "faces": len(years),
        "years_apart": {
            "mean": round(statistics.mean(years), 3),
            "p95": round(float(np.percentile(years, 95)), 2),
            "most": round(max(years), 2),
            "over_half_a_year": sum(apart > 0.5 for apart in years),
        },
        "same_label": labels,
        "gender_probability_apart_at_most": round(max(probabilities, default=0), 3),
    }


def labelled(images: Path, labels: Path, split: str, count: int) -> list[bytes]:
    """Every n-th photo of a split, so many in all; raises `ValueError` where it cannot be read."""
    table = read_labels(labels)
    names = [table.files[row] for row in table.rows([split])]
    chosen = names[:: max(1, len(names) // count)][:count]
    return list(photos(images, chosen))


def main() -> int:
    """Prints what was measured."""
    parser = argparse.ArgumentParser(prog="scripts/bench-page", description=__doc__)
    parser.add_argument("--images", type=existing_file, metavar="ZIP", help="photos to compare on")
    parser.add_argument(
        "--labels", type=existing_file, metavar="CSV", help="with the columns file, split"
    )
    parser.add_argument("--split", default="val")
    parser.add_argument("--faces", type=positive, default=200, help="how many of the split (200)")
    parser.add_argument("--runs", type=positive, default=11, help="of the portrait (11)")
    parser.add_argument("--json", type=new_file, metavar="FILE", help="where it is written, too")
    args = parser.parse_args()
    if bool(args.images) != bool(args.labels):
        parser.error("--images and --labels go together")
    compared = []
    if args.images:
        try:
            compared = labelled(args.images, args.labels, args.split, args.faces)
        except ValueError as error:
            parser.error(f"these photos cannot be had: {error}")
    if shutil.which("chromium") is None:
        parser.error("chromium is not on PATH, and the page is measured there: install it")
    try:
        with page() as opened:
            measured = speed(opened, args.runs)
            if compared:
                measured["parity"] = parity(opened, compared)
    except StartError as error:
        parser.error(str(error))
    text = json.dumps(measured, indent=2)
    print(text)
    if args.json:
        write_text(args.json, text + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
