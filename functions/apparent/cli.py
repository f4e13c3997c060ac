"""Apparent ages and perceived genders from the command line: `apparent predict photo.jpg`."""

import argparse
import os
import signal
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from apparent.arguments import add_model, named_path
from apparent.bulk import command as bulk
from apparent.bulk.sinks import SINKS, sink
from apparent.folders import find_photos
from apparent.output import Forgiving, on_one_line

if TYPE_CHECKING:
    from apparent.output import Output
    from apparent.pipeline import Pipeline
    from apparent.results import Faces

_MAX_BYTES: Final = 1 << 29
"""Of a file; a photo of the most pixels has half as many without any compression."""

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
    step.add_argument("paths", nargs="+", type=named_path, metavar="PATH", help="photo or folder")
    step.add_argument(
        "--format", choices=SINKS, help="default: as the ending of --output says, or a table"
    )
    step.add_argument(
        "--output", type=named_path, metavar="FILE", help="instead of standard output"
    )
    add_model(step, "are skipped")
    bulk.add_parser(commands)
    return parser


def predict(args: argparse.Namespace) -> int:
    """0 where every file was answered, 1 where some were not, 2 where none could be."""
    from apparent.errors import ModelError
    from apparent.output import opened
    from apparent.photo import MAX_PIXELS
    from apparent.pipeline import Pipeline

    try:
        pipeline = Pipeline.load(args.model, max_pixels=args.max_pixels or MAX_PIXELS)
    except ModelError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    work = _Work(pipeline)
    photos = list(find_photos(args.paths, work.skip_folder, args.output))
    try:
        with opened(args.output) as file:
            return work.run(photos, file, args.format or _format_of(args.output))
    except BrokenPipeError:
        raise
    except OSError as error:
        where = args.output or "standard output"
        print(f"error: {where} cannot be written: {_reason(error)}.", file=sys.stderr)
        return 2


def _format_of(output: Path | None) -> str:
    kind = output.suffix[1:].lower() if output else ""
    return kind if kind in SINKS else "table"


class _Work:
    """Answers photo after photo; whatever is wrong with one costs no other its answer."""

    def __init__(self, pipeline: "Pipeline") -> None:
        self._pipeline = pipeline
        self._failed = 0
        self._say: Callable[[str], Any] = lambda line: print(line, file=sys.stderr)

    def skip_folder(self, error: OSError) -> None:
        """Reports a folder that cannot be listed."""
        self._skip(error.filename, _reason(error))

    def run(self, photos: list[Path], file: "Output", kind: str) -> int:
        """The exit status, with the answers written as they come."""
        answered = 0
        progress, self._say = _progress(photos, self._say, bar=not file.isatty())
        with sink(kind, file, map(str, photos)) as out:
            try:
                for path in progress:
                    faces = self._answer(path)
                    if faces is not None:
                        out.write(str(path), faces)
                        file.flush()
                        answered += 1
            except KeyboardInterrupt:
                self._say(f"interrupted: {answered} of {len(photos)} photos are answered")
                return 130
            except BrokenPipeError:
                raise
            except OSError as error:
                self._say(
                    f"error: the answers cannot be written: {_reason(error)}. Those for {answered} "
                    f"of {len(photos)} photos are."
                )
                return 2
        return 1 if self._failed else 0

    def _answer(self, path: Path) -> "Faces | None":
        from apparent.errors import PhotoError

        try:
            faces = self._pipeline(_read(path))
        except (PhotoError, OSError, MemoryError) as error:
            self._skip(path, _reason(error))
            return None
        if faces.faces_found > len(faces):
            told = f"{faces.faces_found} faces; the {len(faces)} largest are listed"
            self._say(f"{on_one_line(path)}: {told}")
        return faces

    def _skip(self, path: object, reason: str) -> None:
        self._failed += 1
        self._say(f"skipped {on_one_line(path)}: {reason}")


def _reason(error: Exception) -> str:
    if isinstance(error, MemoryError):
        return "The memory does not suffice for it."
    return error.strerror or str(error) if isinstance(error, OSError) else str(error)


def _read(path: Path) -> bytes:
    """A file's bytes, of which a mistaken path can have more than there is memory."""
    from apparent.errors import UndecodablePhoto

    with path.open("rb") as file:
        size = os.fstat(file.fileno()).st_size
        data = file.read(_MAX_BYTES + 1) if size <= _MAX_BYTES else b""
    size = max(size, len(data))  # a pipe tells none
    if size > _MAX_BYTES:
        raise UndecodablePhoto(f"The file has {size:,} bytes; at most {_MAX_BYTES:,} are read.")
    return data


def _progress(
    photos: list[Path], say: Callable[[str], Any], *, bar: bool
) -> tuple[Iterable[Path], Callable[[str], Any]]:
    """The photos, behind a progress bar where a person looks and tqdm is installed, and what
    prints a line without breaking the bar. Answers that come to a terminal are progress enough.
    """
    try:
        from tqdm import tqdm
    except ImportError:
        return photos, say
    progress = tqdm(photos, unit="photo", disable=None if bar else True)
    return progress, lambda line: tqdm.write(line, file=sys.stderr)


def _end_as_by_ctrl_c() -> None:
    """What was answered stays, also where a terminal is closed, which `nohup` is to outlast."""
    for name in ("SIGTERM", "SIGHUP"):
        number = getattr(signal, name, None)  # Windows has but one of them
        if number is not None and signal.getsignal(number) == signal.SIG_DFL:
            signal.signal(number, signal.default_int_handler)


def _tell_version() -> int:
    import apparent

    try:
        print(f"apparent {apparent.__version__}", flush=True)
    except OSError as error:
        print(f"error: standard output cannot be written: {error.strerror}.", file=sys.stderr)
        return 2
    return 0


def main() -> int:
    """The exit status."""
    # Where nobody can be told of a failure, the answers are written all the same.
    told: Any = sys.stderr or Path(os.devnull).open("w")  # noqa: SIM115 -- as long as the process
    sys.stderr = Forgiving(told)
    parser = _parser()
    args = parser.parse_args()
    if args.version:
        return _tell_version()
    if args.command is None:
        parser.print_help()
        return 2
    _end_as_by_ctrl_c()
    try:
        return bulk.run(args) if args.command == "bulk" else predict(args)
    except BrokenPipeError:  # whoever read our answers has enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main())
