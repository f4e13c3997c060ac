"""Processes that answer shards, one network thread each: onnxruntime's own would compete."""

import multiprocessing
import os
import signal
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnContext
from typing import Any, Final, NamedTuple

from apparent.bulk.answers import answer, failure
from apparent.bulk.parts import parts_at
from apparent.bulk.plan import BulkError
from apparent.bulk.sources import MAX_BYTES, Unavailable, read
from apparent.bulk.tables import encode

_MOST_DEATHS: Final = 10
"""Of workers in a run. Where the memory suffices for no photo, that is soon reached."""


@dataclass(frozen=True)
class Task:
    """What every shard needs."""

    output: str
    """As for `parts_at`."""
    format: str
    model: str | None
    max_pixels: int
    max_bytes: int = MAX_BYTES


class Shard(NamedTuple):
    """Photos that make one part."""

    part: str
    names: Sequence[str]
    fatal: frozenset[str] = frozenset()
    """Of the names, those that are not tried: each attempt ended a worker."""


class Done(NamedTuple):
    """One photo, answered or not."""

    faces: int
    error: str | None
    """The kind of failure."""


_DIED: Final = object()
_SAFE_PATH: Final = "PYTHONSAFEPATH"


class _Worker:
    """A process, the shard that it works on, and how much of it was told."""

    def __init__(self, context: SpawnContext, task: Task, shard: Shard | None = None) -> None:
        """`shard` is what it is given first, where that is not for the queue to say."""
        self.connection, theirs = context.Pipe()
        self.process = context.Process(target=_worker, args=(task, theirs), daemon=True)
        with _inherited():
            self.process.start()
        theirs.close()
        self.shard = shard
        self.done = 0
        self.began = False

    def give(self, shard: Shard) -> None:
        """To be answered; that a process has just ended is noticed where its word is awaited."""
        self.shard, self.done = shard, 0
        with suppress(ConnectionError):
            self.connection.send(shard)

    def end(self) -> None:
        """Also where it does not want to."""
        self.connection.close()
        self.process.terminate()
        self.process.join()


@contextmanager
def _inherited() -> Iterator[None]:
    """A new interpreter would look for its first modules in the current folder, that of the photos
    perhaps, whatever lies there; this process's own path it is told of later. And Ctrl-C, which is
    the parent's to handle, would interrupt it with a traceback.
    """
    before = os.environ.get(_SAFE_PATH)
    os.environ[_SAFE_PATH] = "1"
    if sys.platform != "win32":
        resource_tracker.ensure_running()  # else `start` does that, and unblocks signals after it
        mask = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        if sys.platform != "win32":
            signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        if before is None:
            del os.environ[_SAFE_PATH]
        else:
            os.environ[_SAFE_PATH] = before


def work(task: Task, shards: Iterable[Shard], workers: int) -> Iterator[Done]:
    """Answers shards and writes their parts, and tells of each photo as it is done.

    A worker that dies is replaced, and its shard begun anew; a photo at which two died is a failure
    of the kind `fatal`. Raises `BulkError` where that happens again and again, or a worker cannot
    begin; the parts that are there stay good.
    """
    # Fresh interpreters: onnxruntime does not survive a fork.
    context = multiprocessing.get_context("spawn")
    queue = iter(shards)
    deaths = Counter[str]()
    told = Counter[str]()  # photos of a part
    team: list[_Worker] = []
    try:
        team += [_Worker(context, task) for _ in range(workers)]
        while team:
            ready = wait([worker.connection for worker in team])
            for worker in [worker for worker in team if worker.connection in ready]:
                message = _receive(worker.connection)
                if isinstance(message, Done):
                    worker.done += 1
                    if worker.shard and worker.done > told[worker.shard.part]:
                        told[worker.shard.part] = worker.done
                        yield message
                elif isinstance(message, str):
                    raise BulkError(message)
                elif message is _DIED:
                    shard = _again(worker, deaths)
                    worker.end()
                    team[team.index(worker)] = _Worker(context, task, shard)
                elif (following := _next(worker, queue)) is not None:
                    worker.give(following)
                else:
                    team.remove(worker)
                    worker.end()
    finally:
        for worker in team:
            worker.end()


def _receive(connection: Connection) -> Any:
    try:
        return connection.recv()
    except (EOFError, ConnectionError):
        return _DIED


def _next(worker: _Worker, queue: Iterator[Shard]) -> Shard | None:
    """What a worker that asks for work is given."""
    begun = None if worker.began else worker.shard
    worker.began = True
    return begun or next(queue, None)


def _again(worker: _Worker, deaths: Counter[str]) -> Shard:
    """The shard of a worker that died, to be begun anew."""
    shard = worker.shard
    if shard is None or not worker.began or deaths.total() >= _MOST_DEATHS:
        raise BulkError(
            "Workers end, perhaps for want of memory. The parts that are there are whole: go on "
            "with --resume, perhaps with fewer --workers."
        )
    if worker.done == len(shard.names):  # it died while it wrote
        deaths[shard.part] += 1
        return shard
    at = shard.names[worker.done]
    deaths[at] += 1
    return shard._replace(fatal=shard.fatal | {at}) if deaths[at] > 1 else shard


def _worker(task: Task, parent: Connection) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # where no blocked signals are inherited
    # A parent that was killed closes the pipe: the next word to it ends this process, before it
    # writes a part that another run may be making.
    with suppress(BrokenPipeError, ConnectionError, EOFError):
        _serve(task, parent)


def _serve(task: Task, parent: Connection) -> None:
    from apparent.errors import ModelError
    from apparent.pipeline import Pipeline

    try:
        pipeline = Pipeline.load(task.model, max_pixels=task.max_pixels, threads=1)
        parts = parts_at(task.output)
    except (ModelError, OSError) as error:
        parent.send(str(error))
        return
    while True:
        parent.send(None)
        shard: Shard = parent.recv()
        answers = []
        for name in shard.names:
            try:
                told = (
                    failure(name, "fatal", "It ended each of two processes that tried it.")
                    if name in shard.fatal
                    else answer(name, lambda it: read(it, task.max_bytes), pipeline)
                )
            except Unavailable as error:  # a part that told of it would be kept by --resume
                parent.send(f"{error}. Go on with --resume once that is mended.")
                return
            answers.append(told)
            parent.send(Done(len(told.get("faces", ())), told.get("error", {}).get("kind")))
        try:
            parts.write(shard.part, encode(answers, task.format))
        except OSError as error:
            parent.send(f"{shard.part} could not be written: {error}. Then go on with --resume.")
            return
