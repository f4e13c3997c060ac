"""Hostile requests to the service in this process: a corpus made by code, then mutations of it.

A fault is an answer of 5xx, a refusal that is no problem+json, one that a sound photo gets, or more
memory than promised. It ends with 1 where there was one. With --guided a coverage-guided fuzzer
(atheris) works on a part.
"""

import argparse
import asyncio
import json
import re
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
from fastapi import FastAPI

from apparent.arguments import positive
from predict.app import create_app
from predict.settings import Settings
from scripts.commands.events import asgi_scope
from scripts.commands.hostile import files, seeds
from scripts.commands.hostile_forms import FORM_TYPE, TYPES, forms

PREDICT: Final = "/api/v1/predict"
RIGHT: Final = {200, 400, 413, 415, 422}
MOST_MEMORY: Final = 450
"""MB that the process may have held at its peak, the corpus with it."""
_HEAD: Final = (
    b'--X\r\nContent-Disposition: form-data; name="image"; filename="a.jpg"\r\n'
    b"Content-Type: image/jpeg\r\n\r\n"
)


class Request(NamedTuple):
    """One hostile request."""

    name: str
    content_type: str
    body: bytes


class Answer(NamedTuple):
    """What came back."""

    status: int
    content_type: str
    body: bytes
    cpu: float
    """Seconds, of all threads."""

    def fault(self) -> str:
        """What is wrong with it, or nothing."""
        if self.status not in RIGHT:
            return f"status {self.status}"
        told = json.loads(self.body)
        if self.status == 200:
            return "" if told.keys() >= {"faces", "image"} else "no prediction"
        right = self.content_type == "application/problem+json" and told["status"] == self.status
        return "" if right and told["detail"] else "no problem"


class Target:
    """An application, asked through its ASGI interface."""

    def __init__(self, app: FastAPI) -> None:
        self._app, self._loop = app, asyncio.new_event_loop()

    def ask(self, request: Request) -> Answer:
        """The answer to one request."""
        sent: list[Any] = []
        pieces = [request.body[:1000], request.body[1000:]]

        async def receive() -> dict[str, Any]:
            return {"type": "http.request", "body": pieces.pop(0), "more_body": bool(pieces)}

        async def send(message: Any) -> None:
            sent.append(message)

        scope = asgi_scope("POST", PREDICT, request.content_type)
        started = time.process_time()
        self._loop.run_until_complete(self._app(scope, receive, send))
        cpu = time.process_time() - started
        headers = {name.decode(): value.decode() for name, value in sent[0]["headers"]}
        body = b"".join(message.get("body", b"") for message in sent[1:])
        return Answer(sent[0]["status"], headers.get("content-type", ""), body, cpu)

    def close(self) -> None:
        """Ends its event loop."""
        self._loop.run_until_complete(self._loop.shutdown_asyncgens())
        self._loop.close()


def form(data: bytes) -> bytes:
    """A sound form around a photo."""
    return _HEAD + data + b"\r\n--X--\r\n"


def corpus() -> Iterator[Request]:
    """Every file and every form that is made by code, once."""
    for number, (name, data) in enumerate(files()):
        kind, body = (FORM_TYPE, form(data)) if number % 4 == 0 else ("image/jpeg", data)
        yield Request(name, kind, body)
    photo = seeds()["jpeg"]
    for name, kind, body in forms(photo):
        yield Request(name, kind, body)
    for kind in TYPES:
        yield Request(f"typed {kind[:20]!r}", kind, photo)


def mutations(seed: int) -> Iterator[Request]:
    """Without end."""
    rng = np.random.default_rng(seed)
    whole = list(seeds().values())
    bodies = [(kind, body) for _, kind, body in forms(seeds()["gif"]) if len(body) < 20_000]
    while True:
        one, other = (whole[int(rng.integers(len(whole)))] for _ in range(2))
        draw = rng.random()
        if draw < 0.7:
            yield Request("mutated file", "image/png", mutated(one, rng, other))
        elif draw < 0.8:
            yield Request("mutated file in a form", FORM_TYPE, form(mutated(one, rng, other)))
        else:
            kind, body = bodies[int(rng.integers(len(bodies)))]
            yield Request("mutated form", kind, mutated(body, rng, other))


def memory(kind: str, process: int | str = "self") -> float:
    """Of a process, in MB: `VmRSS` is what it has, `VmHWM` its peak."""
    found = re.search(rf"{kind}:\s+(\d+)", Path(f"/proc/{process}/status").read_text())
    return int(found[1]) * 1024 / 1e6 if found else 0.0


def run(requests: Iterator[Request], target: Target, number: int, keep: Path | None) -> int:
    """Asks, prints what came of it, and tells how many faults there were."""
    statuses: Counter[int] = Counter()
    costs: list[tuple[float, str]] = []
    faults = 0
    try:
        for done, request in enumerate(requests):
            if done == number:
                break
            answer = target.ask(request)
            statuses[answer.status] += 1
            costs = sorted([*costs, (answer.cpu, request.name)], reverse=True)[:5]
            if fault := answer.fault():
                faults += 1
                print(f"FAULT {fault}: {request.name}, {request.content_type[:80]!r}", flush=True)
                if keep:
                    (keep / f"{done:06d}.bin").write_bytes(request.body)
    except KeyboardInterrupt:
        print("interrupted after:")
    peak = memory("VmHWM")
    print(f"{sum(statuses.values()):,} requests, {faults} faults, peak memory {peak:.0f} MB")
    print("  ".join(f"{status}: {count:,}" for status, count in sorted(statuses.items())))
    print("most CPU: " + "; ".join(f"{cost:.2f} s {name}" for cost, name in costs))
    if peak > MOST_MEMORY:
        print(f"FAULT: more memory than {MOST_MEMORY} MB")
    return faults + (peak > MOST_MEMORY)


def main() -> int:
    """1 where there was a fault."""
    parser = argparse.ArgumentParser(prog="scripts/fuzz", description=__doc__)
    parser.add_argument(
        "--requests", type=positive, default=2000, help="mutations after the corpus"
    )
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--keep", type=Path, metavar="DIR", help="write what shows a fault there")
    parser.add_argument("--guided", choices=("photo", "form", "manifest"), help="by coverage")
    parser.add_argument("--seconds", type=positive, default=60, help="of --guided")
    args = parser.parse_args()
    if args.keep:
        try:
            args.keep.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            parser.error(f"--keep: {error}")
    if args.guided:
        return guided(args.guided, args.seconds, args.seed, args.keep or Path.cwd())
    target = Target(create_app(Settings()))
    print(f"before: peak memory {memory('VmHWM'):.0f} MB\ncorpus:", flush=True)
    faults = run(corpus(), target, 1 << 40, args.keep)
    print(f"mutations, seed {args.seed}:", flush=True)
    faults += run(mutations(args.seed), target, args.requests, args.keep)
    target.close()
    return 1 if faults else 0


def guided(part: str, seconds: int, seed: int, keep: Path) -> int:
    """The exit status of a coverage-guided fuzzer, which is a process of its own."""
    module = "scripts.commands.fuzz_guided"  # which instruments what this one has imported
    with tempfile.TemporaryDirectory(prefix="apparent-fuzz-") as corpus:
        limits = [str(seconds), str(seed)]
        return subprocess.call([sys.executable, "-m", module, part, *limits, corpus, str(keep)])


def mutated(data: bytes, rng: np.random.Generator, other: bytes) -> bytes:
    """Some bytes flipped, set, left out, doubled or taken from another file; or cut."""
    new = bytearray(data)
    for _ in range(int(rng.integers(1, 6))):
        if not new:
            break
        # Headers decide more than pixels.
        near = int(rng.integers(0, min(len(new), 200)))
        place = near if rng.random() < 0.6 else int(rng.integers(0, len(new)))
        length = int(rng.integers(1, 12))
        match int(rng.integers(7)):
            case 0:
                new[place] ^= 1 << int(rng.integers(8))
            case 1:
                new[place] = int(rng.choice([0, 1, 127, 128, 254, 255]))
            case 2:
                del new[place : place + length]
            case 3:
                new[place:place] = new[place : place + length]
            case 4:
                start = int(rng.integers(0, max(1, len(other))))
                new[place : place + length] = other[start : start + length]
            case 5:
                new[place : place + 4] = rng.bytes(4)
            case _:
                del new[max(place, 8) :]
    return bytes(new)


if __name__ == "__main__":
    sys.exit(main())
