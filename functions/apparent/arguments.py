"""Arguments that the commands have in common."""

import argparse
import os
from pathlib import Path


def named(text: str) -> str:
    """A path or URI; raises `ArgumentTypeError` where it is empty: an unset variable of a shell is
    not the current folder.
    """
    if not text:
        raise argparse.ArgumentTypeError("an empty name is no path")
    return text


def named_path(text: str) -> Path:
    """A path; raises `ArgumentTypeError`."""
    return Path(named(text))


def positive(text: str) -> int:
    """A whole number above 0; raises `ArgumentTypeError`."""
    if not text.isdecimal() or int(text) == 0:
        raise argparse.ArgumentTypeError(f"'{text}' is not a whole number above 0")
    return int(text)


def add_model(command: argparse.ArgumentParser, beyond: str) -> None:
    """Adds `--model` and `--max-pixels`; `beyond` is what befalls larger photos.

    The environment's values are the defaults, where they are not empty.
    """
    command.add_argument(
        "--model", metavar="URI", default=os.environ.get("APPARENT_MODEL_URI") or None
    )
    command.add_argument(
        "--max-pixels",
        type=positive,
        metavar="N",
        default=os.environ.get("APPARENT_MAX_PIXELS") or None,
        help=f"photos of more pixels {beyond}",
    )
