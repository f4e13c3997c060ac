"""One batch of keys -> one part of answers and one of failures on S3, within the time there is.

Both are named by the run, the round and the batch's keys, and the part is written last: a batch
that is tried again, because its function was stopped or its answer lost, answers no key twice.
"""

import hashlib
import json
import time
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from typing import Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field

from apparent.bulk import s3
from apparent.bulk.answers import answer, failure
from apparent.bulk.sources import Unavailable
from apparent.bulk.tables import decode, encode
from apparent.results import Faces

LAST_ROUND: Final = 3
"""From 0. What is unfinished then has failed: an Express execution lasts five minutes at most."""
MAX_BYTES: Final = 32 * 1024 * 1024
"""Of one photo."""
_AHEAD: Final = 6
"""Photos being read while one is answered; with `MAX_BYTES`, what that takes of the memory."""
_RESERVE_S: Final = 5.0
"""For writing both objects, where S3 is slow."""


class Object(BaseModel):
    """As S3's listing has it."""

    Key: str


class Input(BaseModel):
    """What all batches of a run share."""

    model_config = ConfigDict(extra="forbid")

    bucket: str
    """Of the photos."""
    output: str = Field(pattern="^s3://[^/]+/.*[^/]$")
    """Where `parts/` and `failures/` go."""
    format: Literal["jsonl", "parquet"] = "jsonl"
    """Of parts; Parquet needs pyarrow in the image."""
    run: str = ""
    """What tells runs apart: another one tries again what has failed."""


class Counts(BaseModel):
    """Of a batch, all its rounds."""

    photos: int = 0
    """Answered, with or without a face."""
    faces: int = 0
    failed: dict[str, int] = {}
    """Photos by the kind of failure."""
    ms: int = 0
    """Spent in the function."""


class Batch(BaseModel):
    """The event, and the answer, whose `Items` are those that are unfinished."""

    BatchInput: Input
    Items: list[Object]
    round: int = 0
    counts: Counts = Counts()
    unfinished: int = 0


def process(
    batch: Batch, pipeline: Callable[[bytes], Faces], seconds_left: Callable[[], float]
) -> Batch:
    """Answers as many keys as there is time for; the batch of the next round is returned.

    Raises `OSError` where the parts cannot be written or read back.
    """
    started = time.monotonic()
    there = batch.BatchInput
    keys = [item.Key for item in batch.Items if not item.Key.endswith("/")]
    named_by = "\0".join([there.run, str(batch.round), *keys])
    name = hashlib.sha256(named_by.encode()).hexdigest()[:32]
    part = f"{there.output}/parts/{name}.{there.format}"
    failures = f"{there.output}/failures/{name}.jsonl"
    told = _stored(part, failures, there.format)
    if told is None:
        told = list(_answers(batch, keys, pipeline, seconds_left))
        failed = [it for it in told if "error" in it]
        s3.write(failures, encode(failed, "jsonl"))
        s3.write(part, encode([it for it in told if "error" not in it], there.format))
    done = {it["file"] for it in told}
    rest = [key for key in keys if _uri(there, key) not in done]
    return Batch(
        BatchInput=there,
        Items=[Object(Key=key) for key in rest],
        round=batch.round + 1,
        counts=_added(batch.counts, told, time.monotonic() - started),
        unfinished=len(rest),
    )


def _answers(
    batch: Batch,
    keys: list[str],
    pipeline: Callable[[bytes], Faces],
    seconds_left: Callable[[], float],
) -> Iterator[dict[str, Any]]:
    """In the order of the keys; those that are left out want another round."""
    last, slowest = batch.round >= LAST_ROUND, 0.0
    names = [_uri(batch.BatchInput, key) for key in keys]
    for index, (name, future) in enumerate(_read_ahead(names)):
        left = seconds_left()
        if left < _RESERVE_S + 2 * slowest:
            for late in names[index:] if last else ():
                yield failure(late, "timeout", "There was no time left for it.")
            return
        started = time.monotonic()
        try:
            yield answer(name, partial(_read_in_time, future, left - _RESERVE_S), pipeline)
        except Unavailable as error:
            if last:
                yield failure(name, "unavailable", str(error))
        slowest = max(slowest, time.monotonic() - started)


def _read_in_time(future: "Future[bytes]", seconds: float, _: str) -> bytes:
    try:
        return future.result(seconds)
    except TimeoutError as error:
        raise Unavailable("S3 took longer than there was time for it.") from error


def _read_ahead(names: Iterable[str]) -> Iterator[tuple[str, "Future[bytes]"]]:
    """Names with their bytes to be, which come while another photo is answered."""
    waiting: deque[tuple[str, Future[bytes]]] = deque()
    executor = ThreadPoolExecutor(_AHEAD)
    try:
        for name in names:
            waiting.append((name, executor.submit(s3.read, name, MAX_BYTES)))
            if len(waiting) >= _AHEAD:
                yield waiting.popleft()
        yield from waiting
    finally:  # who asks for no more has no time to wait, either
        executor.shutdown(wait=False, cancel_futures=True)


def _stored(part: str, failures: str, kind: str) -> list[dict[str, Any]] | None:
    """What an earlier attempt at this batch told, shortened to what counts need."""
    with suppress(FileNotFoundError):
        found = Counter[str]()
        for row in decode(s3.read(part), kind):
            found[row["file"]] += row["face"] is not None
        answered = [{"file": file, "faces": [None] * faces} for file, faces in found.items()]
        return answered + [json.loads(line) for line in s3.read(failures).splitlines()]
    return None


def _uri(there: Input, key: str) -> str:
    return f"s3://{there.bucket}/{key}"


def _added(counts: Counts, told: list[dict[str, Any]], seconds: float) -> Counts:
    failed = Counter(it["error"]["kind"] for it in told if "error" in it)
    return Counts(
        photos=counts.photos + len(told) - failed.total(),
        faces=counts.faces + sum(len(it.get("faces", ())) for it in told),
        failed=dict(Counter(counts.failed) + failed),
        ms=counts.ms + round(1000 * seconds),
    )
