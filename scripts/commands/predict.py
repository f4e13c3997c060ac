"""Apparent ages and perceived genders of the faces in photos and folders of photos.

Files that are not photos are reported and skipped, and the exit status is then 1.
"""

import argparse
import csv
import io
import json
import os
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Final

from tqdm import tqdm

from apparent.atomic import write_text
from apparent.errors import ModelError, PhotoError
from apparent.model import store
from apparent.pipeline import Pipeline
from predict.schemas import Face, Prediction
from predict.settings import SettingsError, from_environment

COLUMNS: Final = ("file", "face", "years", "low", "high", "gender", "probability", "x", "y",
                   "width", "height", "detection_score")  # fmt: skip

Answered = tuple[Path, Prediction]


def find_photos(paths: Iterable[Path]) -> Iterator[Path]:
    """The files named, and every file below the folders named, hidden ones left out."""
    for path in paths:
        if path.is_dir():
            inside = (p for p in sorted(path.rglob("*")) if p.is_file())
            yield from (
                p for p in inside if not any(q.startswith(".") for q in p.relative_to(path).parts)
            )
        else:
            yield path


def _rows(answers: list[Answered]) -> Iterator[dict[str, Any]]:
    """A row per face; a photo without one keeps a row that says so by its empty columns."""
    for path, prediction in answers:
        faces: list[Face | None] = [*prediction.faces] or [None]
        for number, face in enumerate(faces, start=1):
            row: dict[str, Any] = dict.fromkeys(COLUMNS, "") | {"file": str(path)}
            if face is not None:
                row |= face.box.model_dump() | {
                    "face": number,
                    "years": face.age.years,
                    "low": face.age.low,
                    "high": face.age.high,
                    "gender": face.gender.label,
                    "probability": face.gender.probability,
                    "detection_score": face.detection_score,
                }
            yield row


def _photo(path: Path, prediction: Prediction) -> dict[str, Any]:
    return {"file": str(path), **prediction.model_dump()}


def _json(answers: list[Answered]) -> str:
    return json.dumps([_photo(*answer) for answer in answers], indent=2) + "\n"


def _jsonl(answers: list[Answered]) -> str:
    return "".join(json.dumps(_photo(*answer)) + "\n" for answer in answers)


def _csv(answers: list[Answered]) -> str:
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(_rows(answers))
    return text.getvalue()


def _table(answers: list[Answered]) -> str:
    lines = [("photo", "face", "looks about", "interval", "perceived gender")]
    for row in _rows(answers):
        if row["face"] == "":
            lines.append((row["file"], "-", "no face found", "", ""))
        else:
            gender = f"{row['gender']} ({row['probability']:.0%})"
            interval = f"{row['low']} to {row['high']}"
            lines.append((row["file"], str(row["face"]), f"{row['years']:.0f}", interval, gender))
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        + "\n"
        for line in lines
    )


FORMATS: Final = {"table": _table, "json": _json, "jsonl": _jsonl, "csv": _csv}


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="scripts/predict", description=__doc__)
    parser.add_argument("paths", nargs="+", type=Path, metavar="PATH", help="photo or folder")
    parser.add_argument("--format", choices=FORMATS, default="table")
    parser.add_argument("--output", type=Path, metavar="FILE", help="instead of standard output")
    return parser.parse_args()


def main() -> int:
    """0 where every file was answered, 1 where some were not, 2 where none could be."""
    args = _arguments()
    try:
        settings = from_environment(os.environ)
        pipeline = Pipeline(store.load(settings.model_uri), settings.max_pixels)
    except (SettingsError, ModelError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    answers: list[Answered] = []
    failed = 0
    photos = list(find_photos(args.paths))
    for path in tqdm(photos, unit="photo", disable=not sys.stderr.isatty()):
        try:
            answers.append((path, pipeline.predict(path.read_bytes())))
        except (PhotoError, OSError) as error:
            failed += 1
            reason = error.strerror if isinstance(error, OSError) else error
            tqdm.write(f"skipped {path}: {reason}", file=sys.stderr)
    text = FORMATS[args.format](answers)
    if args.output is None:
        sys.stdout.write(text)
    else:
        write_text(args.output, text)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
