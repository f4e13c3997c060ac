import csv
import os
from pathlib import Path
from typing import Any

import pytest

from apparent import Pipeline
from apparent.bulk.answers import answer, failure
from apparent.bulk.sources import Unavailable
from apparent.bulk.tables import FORMATS, ROW, decode, encode, join
from tests.golden.photos import photos


@pytest.fixture(scope="module")
def answers(pipeline: Pipeline) -> list[dict[str, Any]]:
    made = photos()
    names = ("two_faces.png", "no_face.png", "collins.jpg")
    found = [answer(name, made.__getitem__, pipeline) for name in names]
    return [*found, failure("=gone.jpg", "missing", 'There is no gone.jpg, "sadly".')]


def cells(rows: Any) -> list[list[str]]:
    return [["" if row[c] is None else str(row[c]) for c in ROW] for row in rows]


@pytest.mark.parametrize("kind", FORMATS)
def test_every_format_says_the_same(
    kind: str, answers: list[dict[str, Any]], tmp_path: Path
) -> None:
    expected = cells(decode(encode(answers, "jsonl"), "jsonl"))
    assert [row[0] for row in expected] == ["two_faces.png"] * 2 + [a["file"] for a in answers[1:]]
    if kind == "csv":  # a spreadsheet would run it
        expected[-1][0] = "'=gone.jpg"
    assert cells(decode(encode(answers, kind), kind)) == expected
    joined = tmp_path / "joined"
    join([encode(answers[:1], kind), encode([], kind), encode(answers[1:], kind)], kind, joined)
    assert cells(decode(joined.read_bytes(), kind)) == expected


@pytest.mark.parametrize("kind", FORMATS)
def test_the_same_answers_are_the_same_bytes(kind: str, answers: list[dict[str, Any]]) -> None:
    assert encode(answers, kind) == encode(answers, kind)


def test_a_name_with_a_carriage_return_is_one_row(answers: list[dict[str, Any]]) -> None:
    named = [answer | {"file": f"a\r{number}.jpg"} for number, answer in enumerate(answers[1:])]
    part = encode(named, "csv")
    assert [row["file"] for row in decode(part, "csv")] == [answer["file"] for answer in named]
    assert b"\r\n" not in part


def test_no_formula_follows_where_a_semicolon_ends_a_cell() -> None:
    """As in a spreadsheet of many languages."""
    told = failure("a;=1+1;.jpg", "missing", "gone;=2+2")
    lines = encode([told], "csv").decode().splitlines()
    cells = next(csv.reader([lines[1]], delimiter=";"))
    assert not any(cell.startswith("=") for cell in cells)
    (row,) = decode(encode([told], "csv"), "csv")
    assert (row["file"], row["detail"]) == ("a;'=1+1;.jpg", "gone;'=2+2")


def test_no_cell_is_a_formula() -> None:
    told = failure("a.jpg", "unreadable", "=HYPERLINK() in a.zip cannot be read.")
    (row,) = decode(encode([told], "csv"), "csv")
    assert row["detail"].startswith("'=")


@pytest.mark.parametrize("kind", FORMATS)
def test_a_reason_may_name_what_is_not_utf_8(kind: str) -> None:
    path = os.fsdecode(b"b\xfc.zip")
    told = failure(f"{path}!/a.jpg", "unreadable", f"a.jpg in {path} cannot be read.")
    (row,) = decode(encode([told], kind), kind)
    assert row["file"] == r"b\udcfc.zip!/a.jpg"
    assert row["detail"] == r"a.jpg in b\udcfc.zip cannot be read."


def test_nothing_that_a_photo_does_ends_a_run(pipeline: Pipeline) -> None:
    def broken(data: bytes) -> Any:
        raise RuntimeError("a defect")

    told = answer("a.jpg", lambda name: b"", broken)
    assert told["error"] == {"kind": "unexpected", "detail": "RuntimeError: a defect"}


def test_what_may_succeed_later_is_no_failure(pipeline: Pipeline) -> None:
    def throttled(name: str) -> bytes:
        raise Unavailable("slow down")

    with pytest.raises(Unavailable):
        answer("a.jpg", throttled, pipeline)
