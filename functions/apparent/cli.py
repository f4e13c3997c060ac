"""Apparent ages and perceived genders from the command line: `apparent predict photo.jpg`."""

import argparse
import os
import sys
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Final

from apparent.bulk.sinks import SINKS, sink
from apparent.bulk.sources import find_photos

_EPILOG: Final = (
    "Environment: APPARENT_MODEL_URI (a bundle: file:///path or s3://bucket/path; default: the one "
    "installed), APPARENT_MAX_PIXELS. Not for age checks, and not for decisions about a person."
)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="apparent", description=__doc__, epilog=_EPILOG)
    parser.add_argument("--version", action="store_true", help="print the version, and end")
    commands = parser.add_subparsers(dest="command")
    step = commands.add_parser(
        "predict",
        epilog=_EPILOG,
        description="Apparent age and perceived gender of the faces in photos and folders of them. "
        "Files that are not photos are reported and skipped, and the exit status is then 1.",
    )
    step.add_argument("paths", nargs="+", type=Path, metavar="PATH", help="photo or folder")
    step.add_argument("--format", choices=SINKS, default="table")
    step.add_argument("--output", type=Path, metavar="FILE", help="instead of standard output")
    step.add_argument("--model", metavar="URI", default=os.environ.get("APPARENT_MODEL_URI"))
    step.add_argument(
        "--max-pixels",
        type=_positive,
        metavar="N",
        default=os.environ.get("APPARENT_MAX_PIXELS"),
        help="photos of more pixels are skipped",
    )
    return parser


def _positive(text: str) -> int:
    if not text.isdecimal() or int(text) == 0:
        raise argparse.ArgumentTypeError(f"'{text}' is not a whole number above 0")
    return int(text)


def predict(args: argparse.Namespace) -> int:
    """0 where every file was answered, 1 where some were not, 2 where none could be."""
    from apparent.atomic import atomic_write
    from apparent.errors import ModelError, PhotoError
    from apparent.photo import MAX_PIXELS
    from apparent.pipeline import Pipeline

    try:
        pipeline = Pipeline.load(args.model, max_pixels=args.max_pixels or MAX_PIXELS)
    except ModelError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    photos = list(find_photos(args.paths))
    if args.output is not None and (args.output.is_dir() or not args.output.parent.is_dir()):
        print(f"error: {args.output} cannot be written: name a file in a folder.", file=sys.stderr)
        return 2
    failed = 0
    with ExitStack() as stack:
        file = sys.stdout
        if args.output is not None:
            partial = stack.enter_context(atomic_write(args.output))
            file = stack.enter_context(partial.open("w", newline=""))
        out = stack.enter_context(sink(args.format, file, map(str, photos)))
        progress, say = _progress(photos)
        for path in progress:
            try:
                faces = pipeline(path)
            except (PhotoError, OSError) as error:
                failed += 1
                reason = error.strerror if isinstance(error, OSError) else error
                say(f"skipped {path}: {reason}")
            else:
                out.write(str(path), faces)
    return 1 if failed else 0


def _progress(photos: list[Path]) -> tuple[Iterable[Path], Callable[[str], Any]]:
    """The photos, behind a progress bar where a person looks and tqdm is installed, and what
    prints a line without breaking the bar.
    """
    try:
        from tqdm import tqdm
    except ImportError:
        return photos, lambda line: print(line, file=sys.stderr)
    bar = tqdm(photos, unit="photo", disable=None)
    return bar, lambda line: tqdm.write(line, file=sys.stderr)


def main() -> int:
    """The exit status."""
    parser = _parser()
    args = parser.parse_args()
    if args.version:
        import apparent

        print(f"apparent {apparent.__version__}")
        return 0
    if args.command is None:
        parser.print_help()
        return 2
    try:
        return predict(args)
    except BrokenPipeError:  # whoever read our answers has enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main())
