"""A collection -> its parts, in as many processes as there are CPUs; what is there is kept."""

import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from apparent.atomic import atomic_write, names_of, remove_abandoned
from apparent.bulk.answers import file_of
from apparent.bulk.parts import PART, FolderParts, Parts, parts_at
from apparent.bulk.plan import PLAN, BulkError, Plan, begin, plan
from apparent.bulk.sinks import as_text
from apparent.bulk.sources import shards
from apparent.bulk.summary import Summary
from apparent.bulk.tables import FORMATS, decode, join
from apparent.bulk.workers import Done, Shard, Task, work
from apparent.cpus import usable_cpus
from apparent.model import store
from apparent.photo import MAX_PIXELS

SHARD_SIZE = 500
"""Photos of a part: what a kill costs at most, for each worker."""
_SUMMARY = "summary.json"


@dataclass(frozen=True)
class Share:
    """Of the shards, those that one of several machines makes."""

    index: int = 1
    """From 1."""
    count: int = 1


class Bulk:
    """One run over photos named as `sources.find_names` names them."""

    def __init__(
        self,
        names: Sequence[str],
        output: str,
        *,
        kind: str | None = None,
        model: str | None = None,
        max_pixels: int = MAX_PIXELS,
        shard_size: int = SHARD_SIZE,
        share: Share = Share(),
        resume: bool = False,
    ) -> None:
        """`output` is a folder or an `s3://` prefix for parts, or one file that ends in a format's
        name; `kind` is one of `tables.FORMATS`, by default that name, or jsonl.

        Raises `BulkError`, `ModelError`, or `OSError` where the output cannot be reached.
        """
        suffix = os.path.splitext(output)[1][1:].lower()  # noqa: PTH122 -- faces.csv/ is a folder
        self.file = Path(output) if suffix in FORMATS and not output.startswith("s3://") else None
        if self.file is not None and share.count > 1:
            raise BulkError("Shards of several machines need a folder or S3 prefix as output.")
        if self.file is not None and kind not in (None, suffix):
            raise BulkError(f"{output} should end in .{kind}, or --format be {suffix}.")
        self._kind = kind or (suffix if suffix in FORMATS else "jsonl")
        _check_packages(self._kind)
        uri = store.uri_of(model)
        self._where = output if self.file is None else f"{output}.parts"
        self._task = Task(self._where, self._kind, uri, max_pixels)
        self.plan: Plan = plan(names, self._kind, shard_size, store.load(uri), max_pixels)
        self.complete = self.file is not None and self.file.exists()
        """Whether the one file that was asked for is there."""
        if self.complete and not resume:
            raise BulkError(f"{output} is there already. Remove it, or name another output.")
        if self.complete and self._told() != [self._cell(name) for name in names]:
            raise BulkError(f"{output} answers other photos. Remove it, or name another output.")
        self._parts: Parts = parts_at(self._where)
        there = self._parts.names()
        if not self.complete:
            begin(self._parts, there, self.plan, resume=resume or share.count > 1)
        mine = range(share.index - 1, self.plan.shards, share.count)
        cut = shards(names, shard_size)
        self._mine = [Shard(self.plan.part(shard), cut[shard]) for shard in mine]
        self._todo = [shard for shard in self._mine if shard.part not in there]
        self.total = sum(len(shard.names) for shard in self._mine)
        self.missing = 0 if self.complete else sum(len(shard.names) for shard in self._todo)
        """Photos, of those that are this machine's."""
        self.partial = share.count > 1

    def _told(self) -> list[str]:
        """The photos that the one file answers; raises `BulkError` where it is of another kind."""
        try:
            rows = decode(self.file.read_bytes(), self._kind) if self.file is not None else ()
            return list(dict.fromkeys(row["file"] for row in rows))
        except Exception as error:  # whatever is there, it was not made here
            raise BulkError(
                f"{self.file} is there, and holds no answers that can be read. Remove it, or name "
                "another output."
            ) from error

    def _cell(self, name: str) -> str:
        return as_text(file_of(name)) if self._kind == "csv" else file_of(name)

    def run(self, workers: int = 0) -> Iterator[Done]:
        """Makes the parts that are missing, and tells of each photo; 0 `workers` are one per CPU
        that may be used. Raises `BulkError`.
        """
        if not self.missing:
            return
        wanted = min(workers or usable_cpus(), len(self._todo))
        yield from work(self._task, self._todo, wanted)

    def finish(self) -> Summary:
        """Counts all rows, joins the parts where one file was asked for, and tells."""
        summary = Summary()
        if self.file is not None and self.complete:
            summary.add(decode(self.file.read_bytes(), self._kind))
        else:
            for shard in self._mine:
                summary.add(decode(self._parts.read(shard.part), self._kind))
        if self.file is not None:
            if not self.complete:
                with atomic_write(self.file) as partial:
                    whole = (self._parts.read(shard.part) for shard in self._mine)
                    join(whole, self._kind, partial)
                remove_abandoned(self.file)  # of a run that was killed here
            parts = [self.plan.part(shard) for shard in range(self.plan.shards)]
            FolderParts(Path(self._where)).remove([*parts, PLAN])
        elif not self.partial:
            self._parts.write(_SUMMARY, summary.to_json().encode())
        return summary


def without_output(names: Sequence[str], output: str, plot: Path | None = None) -> list[str]:
    """The names but for what this run or an earlier one made, where that lies among the photos."""
    own = "|".join(map(names_of, {_whole(output), _resolved(output)}))
    about = f"{names_of(PLAN)}|{names_of(_SUMMARY)}"
    made = rf"({own})(\.parts/.*|/({about}|{PART}\d+-of-\d+\..*))?"
    if plot is not None:
        made += "|" + re.escape(_whole(str(plot)))
    made_by_us = re.compile(made)
    return [name for name in names if not made_by_us.fullmatch(_whole(name))]


def _whole(path: str) -> str:
    """The path from the root on, its folder without links, by whichever of its names it is told."""
    if path.startswith("s3://"):
        return path.rstrip("/")
    folder, name = os.path.split(path.rstrip("/"))
    return os.path.join(_resolved(folder), name)  # noqa: PTH118 -- of 100,000 names


@lru_cache(maxsize=1000)
def _resolved(path: str) -> str:
    return path.rstrip("/") if path.startswith("s3://") else os.path.realpath(path)


def _check_packages(kind: str) -> None:
    if kind == "parquet":
        try:
            import pyarrow  # noqa: F401
        except ImportError as error:
            raise BulkError(
                "Parquet needs pyarrow. Install apparent with the extra 'bulk', or choose jsonl."
            ) from error
