"""The answers that a file of `apparent predict` has already, for `--resume`."""

import csv
import io
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Final

from apparent.atomic import abandoned
from apparent.bulk import tables
from apparent.bulk.sinks import COLUMNS, as_text

KINDS: Final = ("jsonl", "csv")
"""Formats that can be gone on with, row by row."""
_NO_ANSWERS: Final = (ValueError, KeyError, TypeError, csv.Error)
"""What reading another file may raise."""


@dataclass(frozen=True)
class Earlier:
    """Those of a file, or none."""

    body: str = ""
    """The text as it is, but for a header."""
    rows: tuple[dict[str, Any], ...] = ()
    """As `tables.rows` gives them."""
    cell: Callable[[str], str] = str
    """What a photo's name is in the file."""

    @cached_property
    def files(self) -> frozenset[str]:
        """Photos that are answered, as they are named there."""
        return frozenset(row["file"] for row in self.rows)

    def has(self, name: str) -> bool:
        """Whether that photo is answered."""
        return self.cell(name) in self.files


def read(path: Path, kind: str) -> Earlier:
    """What the file at `path` has, in one of `KINDS`, or what a killed run left beside it, where
    that is more.

    Raises `OSError`, and `ValueError` where the file holds something else.
    """
    earlier = Earlier()
    if path.exists():
        try:
            earlier = _read(path, kind)
        except _NO_ANSWERS as error:
            raise ValueError(
                f"{path} is there, and holds no answers that can be gone on with. Remove it, or "
                "name another output."
            ) from error
    for partial in abandoned(path):
        with suppress(*_NO_ANSWERS):
            earlier = max(earlier, _read(partial, kind), key=lambda one: len(one.files))
    return earlier


def _read(path: Path, kind: str) -> Earlier:
    data = path.read_bytes()
    data = data[: data.rfind(b"\n") + 1]  # a row that was cut off is answered again
    text = data.decode(errors="surrogateescape")
    if kind == "jsonl":
        return Earlier(text, tuple(tables.decode(data, kind)))
    return Earlier(text.partition("\n")[2], tuple(_of_csv(text)), as_text)


def _of_csv(text: str) -> Iterator[dict[str, Any]]:
    reader = csv.DictReader(io.StringIO(text, newline=""))
    tables.require_columns(reader.fieldnames, COLUMNS)
    for row in reader:
        yield dict.fromkeys(tables.ROW) | row
