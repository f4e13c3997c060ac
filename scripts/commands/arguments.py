"""Types of arguments that measuring commands share: refused before an hour is spent."""

import argparse
import math
from pathlib import Path


def seconds(text: str) -> float:
    """A number above 0; raises `ArgumentTypeError`."""
    try:
        number = float(text)
    except ValueError:
        number = 0.0
    if not 0 < number < math.inf:
        raise argparse.ArgumentTypeError(f"'{text}' is not a number above 0")
    return number


def existing_file(text: str) -> Path:
    """A file to read; raises `ArgumentTypeError`."""
    if not Path(text).is_file():
        raise argparse.ArgumentTypeError(f"'{text}' is not a file")
    return Path(text)


def new_file(text: str) -> Path:
    """A file to write, in a folder that is there; raises `ArgumentTypeError`."""
    path = Path(text)
    if path.is_dir():
        raise argparse.ArgumentTypeError(f"'{text}' is a folder")
    if not path.parent.is_dir():
        raise argparse.ArgumentTypeError(f"the folder '{path.parent}' is not there")
    return path
