"""Apparent ages and perceived genders from the command line: `apparent predict photo.jpg`."""

import argparse
import os
import signal
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from apparent.arguments import add_model, named, named_path
from apparent.atomic import abandoned, remove_abandoned
from apparent.bulk import command as bulk
from apparent.bulk.sinks import SINKS, sink
from apparent.bulk.summary import Summary, require_place
from apparent.bulk.tables import rows
from apparent.folders import find_photos
from apparent.output import Forgiving, on_one_line

if TYPE_CHECKING:
    from apparent.bulk.earlier import Earlier
    from apparent.output import Output
    from apparent.pipeline import Pipeline
    from apparent.results import Faces

_MAX_BYTES: Final = 1 << 29
"""Of a file; a photo of the most pixels has half as many without any compression."""

_PARQUET: Final = "parquet"

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
        "Files that are not photos are reported and skipped, and the exit status is then 1. For "
        "collections there is `apparent bulk`, which also writes Parquet for this command.",
    )
    step.add_argument(
        "paths",
        nargs="+",
        type=named,
        metavar="PATH",
        help="photo, folder, zip or s3://bucket/prefix",
    )
    step.add_argument(
        "--format",
        choices=(*SINKS, _PARQUET),
        help="default: as the ending of --output says, or a table",
    )
    step.add_argument(
        "--output", type=named_path, metavar="FILE", help="instead of standard output"
    )
    step.add_argument(
        "--resume",
        action="store_true",
        help="keep the answers that --output, .jsonl, .csv or .parquet, has already",
    )
    step.add_argument(
        "--plot", type=named_path, metavar="PNG", help="ages and genders as a picture"
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

    kind = args.format or _format_of(args.output)
    if kind == _PARQUET:
        return _as_collection(args)
    try:
        if args.plot is not None:
            require_place(args.plot, str(args.output or ""))
        earlier = _earlier(args.output, kind) if args.resume else None
        pipeline = Pipeline.load(args.model, max_pixels=args.max_pixels or MAX_PIXELS)
        work = _Work(pipeline, earlier)
        photos = list(_names(args.paths, work, _own(args)))
    except ImportError as error:
        print(f"error: {error}. Install apparent with the extra 'bulk'.", file=sys.stderr)
        return 2
    except (ModelError, OSError, ValueError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    try:
        with opened(args.output) as file:
            status = work.run(photos, file, kind)
        if earlier is not None and status < 2:
            remove_abandoned(args.output)
    except BrokenPipeError:
        raise
    except OSError as error:
        return _unwritten(args.output or "standard output", error)
    if args.plot is not None and status != 2:
        try:
            work.summary.plot(args.plot)
        except OSError as error:
            return _unwritten(args.plot, error)
    return status


def _unwritten(where: object, error: OSError) -> int:
    print(f"error: {where} cannot be written: {_reason(error)}.", file=sys.stderr)
    return 2


def _format_of(output: Path | None) -> str:
    kind = output.suffix[1:].lower() if output else ""
    return kind if kind in (*SINKS, _PARQUET) else "table"


def _as_collection(args: argparse.Namespace) -> int:
    """Parquet is not written row by row: `apparent bulk` keeps parts until it is whole."""
    if args.output is None or _format_of(args.output) != _PARQUET:
        print("error: Parquet wants a file: --output NAME.parquet.", file=sys.stderr)
        return 2
    defaults = {"sources": args.paths, "workers": 0, "shard": (1, 1), "shard_size": 500}
    whole = {"output": str(args.output), "format": _PARQUET}
    return bulk.run(argparse.Namespace(**vars(args) | defaults | whole))


def _earlier(output: Path | None, kind: str) -> "Earlier":
    """Raises `OSError` or `ValueError`."""
    from apparent.bulk.earlier import KINDS, read

    if output is None or kind not in KINDS:
        raise ValueError("--resume wants --output NAME.jsonl, NAME.csv or NAME.parquet.")
    return read(output, kind)


def _own(args: argparse.Namespace) -> list[Path]:
    """What this command or an earlier one made, where it lies among the photos."""
    answers = [args.output, *abandoned(args.output)] if args.output else []
    return [*answers, args.plot] if args.plot else answers


def _names(paths: Iterable[str], work: "_Work", own: list[Path]) -> Iterator[str]:
    """Of all photos, in the order of the paths."""
    for path in paths:
        if path.startswith("s3://") or (path.lower().endswith(".zip") and os.path.isfile(path)):  # noqa: PTH113 -- as in find_photos
            from apparent.bulk.sources import find_names

            try:
                yield from find_names([path])
            except (OSError, ValueError) as error:
                work.skip(path, _reason(error))
        else:
            yield from map(str, find_photos([Path(path)], work.skip_folder, own))


class _Work:
    """Answers photo after photo; whatever is wrong with one costs no other its answer."""

    def __init__(self, pipeline: "Pipeline", earlier: "Earlier | None" = None) -> None:
        """`earlier` has what need not be answered again."""
        self._pipeline = pipeline
        self._earlier = earlier
        self._failed = 0
        self.summary = Summary()
        """Of all answers."""
        self._say: Callable[[str], Any] = lambda line: print(line, file=sys.stderr)

    def skip_folder(self, error: OSError) -> None:
        """Reports a folder that cannot be listed."""
        self.skip(error.filename, _reason(error))

    def run(self, photos: list[str], file: "Output", kind: str) -> int:
        """The exit status, with the answers written as they come."""
        answered = 0
        missing = self._go_on(photos)
        progress, self._say = _progress(missing, self._say, bar=not file.isatty())
        with sink(kind, file, missing) as out:
            if self._earlier:
                file.write(self._earlier.body)
                file.flush()  # where that fails, what it was read from stays
            try:
                for name in progress:
                    faces = self._answer(name)
                    if faces is not None:
                        out.write(name, faces)
                        file.flush()
                        self.summary.add(rows({"file": name, **faces.to_dict()}))
                        answered += 1
            except KeyboardInterrupt:
                self._say(f"interrupted: {answered} of {len(missing)} photos are answered")
                return 130
            except BrokenPipeError:
                raise
            except OSError as error:
                self._say(
                    f"error: the answers cannot be written: {_reason(error)}. Those for {answered} "
                    f"of {len(missing)} photos are."
                )
                return 2
        return 1 if self._failed else 0

    def _go_on(self, photos: list[str]) -> list[str]:
        """The photos that are not answered yet."""
        if self._earlier is None:
            return photos
        self.summary.add(self._earlier.rows)
        self._say(f"answered already: {len(self._earlier.files):,}")
        return [name for name in photos if not self._earlier.has(name)]

    def _answer(self, name: str) -> "Faces | None":
        from apparent.errors import PhotoError

        try:
            faces = self._pipeline(_read(name))
        except (PhotoError, OSError, MemoryError) as error:
            self.skip(name, _reason(error))
            return None
        except Exception as error:  # whose photo must not cost those answered before it
            self.skip(name, f"{type(error).__name__}: {error}")
            return None
        if faces.faces_found > len(faces):
            told = f"{faces.faces_found} faces; the {len(faces)} largest are listed"
            self._say(f"{on_one_line(name)}: {told}")
        return faces

    def skip(self, path: object, reason: str) -> None:
        """Reports what has no answer."""
        self._failed += 1
        self._say(f"skipped {on_one_line(path)}: {reason}")


def _reason(error: Exception) -> str:
    if isinstance(error, MemoryError):
        return "The memory does not suffice for it."
    return error.strerror or str(error) if isinstance(error, OSError) else str(error)


def _read(name: str) -> bytes:
    """A photo's bytes, of which a mistaken path can have more than there is memory."""
    from apparent.bulk import sources
    from apparent.errors import UndecodablePhoto

    if name.startswith("s3://") or (sources.INSIDE in name and not os.path.exists(name)):  # noqa: PTH110 -- Path's raises
        return sources.read(name)
    with Path(name).open("rb") as file:
        size = os.fstat(file.fileno()).st_size
        data = file.read(_MAX_BYTES + 1) if size <= _MAX_BYTES else b""
    size = max(size, len(data))  # a pipe tells none
    if size > _MAX_BYTES:
        raise UndecodablePhoto(f"The file has {size:,} bytes; at most {_MAX_BYTES:,} are read.")
    return data


def _progress(
    photos: list[str], say: Callable[[str], Any], *, bar: bool
) -> tuple[Iterable[str], Callable[[str], Any]]:
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
        return _unwritten("standard output", error)
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
