"""Answers -> a table for people, or JSON, JSON Lines or CSV for programs, written as they come."""

import csv
import json
import re
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final, Self

from apparent.output import Output, on_one_line
from apparent.results import Faces

COLUMNS: Final = ("file", "face", "years", "low", "high", "gender", "probability", "x", "y",
                   "width", "height", "detection_score")  # fmt: skip
"""Of CSV and table, the page's export included."""

_FORMULA: Final = re.compile(r"(?:^|(?<=;))(?=[=+\-@\t\r])")
"""Where a spreadsheet would take a cell for a formula (OWASP, CSV injection): at its start, or
after what ends a cell in languages that write 1,5."""


class Sink(ABC):
    """Where the answers for many photos go; a context manager, open between enter and exit."""

    def __init__(self, file: Output) -> None:
        self._file = file

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self._file.flush()

    @abstractmethod
    def write(self, name: str, faces: Faces) -> None:
        """Takes the answer for one photo."""


class JsonSink(Sink):
    """One array of the API's answers, each with its `file`."""

    def __enter__(self) -> Self:
        self._separator = "[\n"
        return self

    def write(self, name: str, faces: Faces) -> None:
        """Takes the answer for one photo."""
        self._file.write(self._separator + json.dumps(_named(name, faces), indent=2))
        self._separator = ",\n"

    def __exit__(self, *error: object) -> None:
        self._file.write("[]\n" if self._separator == "[\n" else "\n]\n")
        super().__exit__(*error)


class JsonLinesSink(Sink):
    """The API's answer on a line for each photo, with its `file`."""

    def write(self, name: str, faces: Faces) -> None:
        """Takes the answer for one photo."""
        self._file.write(json.dumps(_named(name, faces)) + "\n")


class CsvSink(Sink):
    """A row per face under `COLUMNS`; a photo without one keeps a row with empty columns."""

    def __enter__(self) -> Self:
        self._writer = csv_writer(self._file, COLUMNS)
        self._writer.writeheader()
        return self

    def write(self, name: str, faces: Faces) -> None:
        """Takes the answer for one photo."""
        self._writer.writerows(rows(_named(name, faces), as_text(name)))


class TableSink(Sink):
    """A line per face, for people."""

    def __init__(self, file: Output, names: Iterable[str] = ()) -> None:
        """`names` are those that will come: the first column is made wide enough for them."""
        super().__init__(file)
        longest = max(map(len, ("photo", *map(on_one_line, names))))
        self._widths = (longest, 4, 11, 10)

    def __enter__(self) -> Self:
        self._line("photo", "face", "looks about", "interval", "perceived gender")
        return self

    def write(self, name: str, faces: Faces) -> None:
        """Takes the answer for one photo."""
        name = on_one_line(name)
        if not faces:
            self._line(name, "-", "no face found")
        for number, face in enumerate(faces, start=1):
            interval = f"{face.age.low} to {face.age.high}"
            gender = f"{face.gender.label} ({face.gender.probability:.0%})"
            self._line(name, str(number), f"{face.age.years:.0f}", interval, gender)

    def _line(self, *cells: str) -> None:
        padded = [cell.ljust(width) for cell, width in zip(cells, self._widths, strict=False)]
        last = cells[len(self._widths) :]
        self._file.write("  ".join((*padded, *last)).rstrip() + "\n")


SINKS: Final = {"table": TableSink, "json": JsonSink, "jsonl": JsonLinesSink, "csv": CsvSink}
"""By the name of their format."""


def sink(kind: str, file: Output, names: Iterable[str]) -> Sink:
    """The sink of a format, for the photos of these names."""
    return TableSink(file, names) if kind == "table" else SINKS[kind](file)


def _named(name: str, faces: Faces) -> dict[str, Any]:
    return {"file": name, **faces.to_dict()}


def rows(answer: dict[str, Any], file: str) -> Iterator[dict[str, Any]]:
    """A row of `COLUMNS` per face of the API's answer, or the one of a photo without a face."""
    empty = dict.fromkeys(COLUMNS) | {"file": file}
    if not answer["faces"]:
        yield empty
    for number, face in enumerate(answer["faces"], start=1):
        yield empty | {
            "face": number,
            **{end: face["age"][end] for end in ("years", "low", "high")},
            "gender": face["gender"]["label"],
            "probability": face["gender"]["probability"],
            **face["box"],
            "detection_score": face["detection_score"],
        }


class _Lines:
    """What a `csv` writer writes, its records ended by a line feed alone."""

    def __init__(self, file: Output) -> None:
        self._file = file

    def write(self, record: str, /) -> int:
        """Takes a whole record."""
        return self._file.write(record.removesuffix("\r\n") + "\n")


def csv_writer(file: Output, columns: Sequence[str]) -> "csv.DictWriter[str]":
    """A writer of CSV (RFC 4180, but for the line ends): `csv` quotes a lone carriage return only
    where its own line end has one.
    """
    return csv.DictWriter(_Lines(file), columns, lineterminator="\r\n")


def as_text(cell: str) -> str:
    """The cell as no spreadsheet takes it for a formula."""
    return _FORMULA.sub("'", cell)
