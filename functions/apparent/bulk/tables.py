"""Answers <-> the bytes of a part: JSON Lines, CSV or Parquet."""

import csv
import io
import json
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, Final

from apparent.bulk import sinks

if TYPE_CHECKING:
    import pyarrow as pa

ROW: Final = (*sinks.COLUMNS, "error", "detail")
"""Columns of CSV and Parquet. A photo without a face is a row with no `face`, one that failed a
row with `error` besides."""
FORMATS: Final = ("jsonl", "csv", "parquet")


def schema() -> "pa.Schema":
    """Of Parquet. Lengths are pixels of the upright photo, ages years."""
    import pyarrow as pa

    whole = ("face", "low", "high", "x", "y", "width", "height")
    kinds = dict.fromkeys(ROW, pa.string()) | dict.fromkeys(whole, pa.int32())
    kinds |= dict.fromkeys(("years", "probability", "detection_score"), pa.float64())
    return pa.schema([pa.field(name, kinds[name], nullable=name != "file") for name in ROW])


def encode(answers: Iterable[dict[str, Any]], kind: str) -> bytes:
    """A part in one of `FORMATS`: the same answers give the same bytes."""
    if kind == "jsonl":
        return b"".join(json.dumps(answer).encode() + b"\n" for answer in answers)
    table = [row for answer in answers for row in rows(answer)]
    if kind == "csv":
        file = io.StringIO()
        writer = sinks.csv_writer(file, ROW)
        writer.writeheader()
        for row in table:
            told = {name: sinks.as_text(row[name] or "") for name in ("file", "detail")}
            writer.writerow(row | told)
        return file.getvalue().encode()
    import pyarrow as pa
    import pyarrow.parquet as pq

    sink = pa.BufferOutputStream()
    pq.write_table(pa.Table.from_pylist(table, schema=schema()), sink, compression="zstd")
    return bytes(sink.getvalue())


def decode(part: bytes, kind: str) -> Iterator[dict[str, Any]]:
    """The rows of a part; CSV's cells are text. Raises nearly everything where it is none."""
    if kind == "jsonl":
        for line in part.splitlines():
            yield from rows(json.loads(line))
    elif kind == "csv":
        reader = csv.DictReader(io.StringIO(part.decode(), newline=""))
        require_columns(reader.fieldnames, ROW)
        yield from reader
    else:
        import pyarrow as pa
        import pyarrow.parquet as pq

        table = pq.read_table(pa.BufferReader(part))
        require_columns(table.column_names, ROW)
        yield from table.to_pylist()


def require_columns(names: Sequence[str] | None, wanted: Sequence[str]) -> None:
    """Raises `ValueError` where a table's columns are others."""
    if tuple(names or ()) != tuple(wanted):
        raise ValueError("The columns are not those of answers.")


def join(parts: Iterable[bytes], kind: str, path: Any) -> None:
    """Writes parts as one file, holding one of them at a time."""
    if kind == "parquet":
        import pyarrow as pa
        import pyarrow.parquet as pq

        with pq.ParquetWriter(path, schema(), compression="zstd") as writer:
            for part in parts:
                writer.write_table(pq.read_table(pa.BufferReader(part)))
        return
    with path.open("wb") as file:
        for number, part in enumerate(parts):
            first = number == 0 or kind == "jsonl"
            file.write(part if first else part.partition(b"\n")[2])  # one header is enough
        if kind == "csv" and file.tell() == 0:
            file.write(encode([], kind))


def rows(answer: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """A row per face of an answer, or the one of a photo that has none."""
    if "error" in answer:
        failed = {"error": answer["error"]["kind"], "detail": answer["error"]["detail"]}
        yield dict.fromkeys(ROW) | {"file": answer["file"]} | failed
        return
    for row in sinks.rows(answer, answer["file"]):
        yield dict.fromkeys(ROW) | row
