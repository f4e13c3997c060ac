import csv
import io
import json

import pytest

from apparent import Pipeline
from apparent.bulk.sinks import COLUMNS, SINKS, sink
from tests.golden.photos import photos


@pytest.mark.parametrize("kind", SINKS)
def test_an_answer_is_written_before_the_next_is_made(kind: str, pipeline: Pipeline) -> None:
    file = io.StringIO()
    with sink(kind, file, ["a.png", "b.jpg"]) as out:
        out.write("a.png", pipeline(photos()["two_faces.png"]))
        assert "a.png" in file.getvalue()
        out.write("b.jpg", pipeline(photos()["collins.jpg"]))
    assert "b.jpg" in file.getvalue()


def test_json_is_an_array_also_of_nothing() -> None:
    file = io.StringIO()
    with sink("json", file, []):
        pass
    assert json.loads(file.getvalue()) == []


def test_rows_say_what_the_api_says(pipeline: Pipeline) -> None:
    faces, file = pipeline(photos()["two_faces.png"]), io.StringIO()
    with sink("csv", file, ["a.png"]) as out:
        out.write("a.png", faces)
    rows = list(csv.DictReader(io.StringIO(file.getvalue())))
    assert tuple(rows[0]) == COLUMNS
    for row, face in zip(rows, faces.to_dict()["faces"], strict=True):
        assert float(row["years"]) == face["age"]["years"]
        assert (int(row["low"]), int(row["high"])) == (face["age"]["low"], face["age"]["high"])
        assert row["gender"] == face["gender"]["label"]
        assert int(row["x"]) == face["box"]["x"]
