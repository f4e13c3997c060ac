"""`apparent bulk`: a collection of photos to parts or one file, resumable."""

import argparse
import re
import sys
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from apparent.arguments import add_model, named, named_path, positive
from apparent.bulk.tables import FORMATS

if TYPE_CHECKING:
    from apparent.bulk.run import Bulk


def add_parser(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Adds `bulk` to the commands."""
    step = commands.add_parser(
        "bulk",
        description="Apparent age and perceived gender of the faces in a collection of photos, in "
        "as many processes as there are CPUs. A photo without a face and one that failed keep a "
        "row. Whoever can read the output can read what faces look like: keep it as you keep the "
        "photos.",
        epilog="Exit status: 0 where every photo was answered, 1 where some were not, 2 where the "
        "run could not start or go on. Not for age checks, and not for decisions about a person.",
    )
    step.add_argument(
        "sources",
        nargs="+",
        type=named,
        metavar="SOURCE",
        help="photo, folder, zip or s3://bucket/prefix",
    )
    step.add_argument(
        "--output",
        required=True,
        type=named,
        help="folder or s3://bucket/prefix for parts, or one file: .jsonl, .csv or .parquet",
    )
    step.add_argument(
        "--format",
        choices=FORMATS,
        help="of parts; default: as the ending of --output says, or jsonl",
    )
    step.add_argument("--resume", action="store_true", help="keep the parts that are there")
    step.add_argument("--workers", type=positive, default=0, help="default: one per CPU")
    step.add_argument(
        "--shard",
        type=_share,
        default=(1, 1),
        metavar="I/N",
        help="the I-th of N shares, of as many machines, that write to one output",
    )
    step.add_argument(
        "--shard-size", type=positive, default=500, help="photos of a part (500)", metavar="N"
    )
    step.add_argument(
        "--plot", type=named_path, metavar="PNG", help="ages and genders as a picture"
    )
    add_model(step, "fail")


def run(args: argparse.Namespace) -> int:
    """The exit status."""
    from apparent.bulk.run import Bulk, Share, without_output
    from apparent.bulk.sources import find_names
    from apparent.bulk.summary import require_place
    from apparent.errors import ApparentError
    from apparent.photo import MAX_PIXELS

    try:
        if args.plot is not None:
            require_place(args.plot, args.output)
        names = without_output(find_names(args.sources), args.output, args.plot)
        if not names:
            _say("error: there is no photo in what was named.")
            return 2
        bulk = Bulk(
            names,
            args.output,
            kind=args.format,
            model=args.model,
            max_pixels=args.max_pixels or MAX_PIXELS,
            shard_size=args.shard_size,
            share=Share(*args.shard),
            resume=args.resume,
        )
        _say(f"{bulk.total:,} photos, {bulk.missing:,} of them to do, in {bulk.plan.shards} parts")
        for _ in _progress(bulk, args.workers):
            pass
        summary = bulk.finish()
        _say(str(summary))
        if args.plot is not None:
            summary.plot(args.plot)
    except ImportError as error:
        _say(f"error: {error}. Install apparent with the extra 'bulk'.")
        return 2
    except (ApparentError, OSError, ValueError) as error:
        _say(f"error: {error}")
        return 2
    return 1 if summary.failures else 0


def _progress(bulk: "Bulk", workers: int) -> Iterable[Any]:
    """With rate and time left where tqdm is installed: a line a minute where nobody looks."""
    done = bulk.run(workers)
    try:
        from tqdm import tqdm
    except ImportError:
        return done
    patience = 0.5 if sys.stderr.isatty() else 60
    bar = tqdm(done, total=bulk.missing, unit="photo", mininterval=patience, maxinterval=patience)
    return _counted(bar)


def _counted(bar: Any) -> Iterable[Any]:
    failed = 0
    for done in bar:
        if done.error:
            failed += 1
            bar.set_postfix(failed=failed, refresh=False)
        yield done


def _say(line: str) -> None:
    print(line, file=sys.stderr)


def _share(text: str) -> tuple[int, int]:
    match = re.fullmatch(r"(\d+)/(\d+)", text)
    if match is None or not 1 <= int(match[1]) <= int(match[2]):
        raise argparse.ArgumentTypeError(f"'{text}' is not I/N, such as 1/8 to 8/8")
    return int(match[1]), int(match[2])
