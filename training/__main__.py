"""Training from the command line; `python -m training <step> --help` tells a step's arguments."""

import argparse
import sys
from pathlib import Path
from typing import Any

from training.release import steps as release


def _prepare(args: argparse.Namespace) -> None:
    from training.data.prepare import prepare

    if args.out.exists():
        raise ValueError(f"{args.out} exists already. Remove it to prepare again.")
    print(f"{args.out}: {prepare(args.images, args.labels, args.out, args.size)}")


def _run(args: argparse.Namespace) -> None:
    from training.workflow import run

    print(f"made: {run(args.recipe, args.data, args.runs)}")


def _release(args: argparse.Namespace) -> None:
    from training.release_recipe import place_of
    from training.release_workflow import release

    bundle = release(place_of(args.release), args.data, args.runs, args.target)
    print(f"made and installed: {bundle}")


def _finetune(args: argparse.Namespace) -> None:
    from training import recipe
    from training.engine import distributed
    from training.engine.finetune import finetune

    chosen = recipe.load(args.recipe, recipe.Recipe)
    if args.seed is not None:
        chosen = recipe.with_seed(chosen, args.seed)
    out = args.runs / chosen.name
    with distributed.workers() as workers:
        weights = finetune(chosen, args.data, out, workers)
        if workers.first:
            print(f"weights: {weights}")


def _pretrain(args: argparse.Namespace) -> None:
    from training import recipe
    from training.engine import distributed
    from training.engine.pretrain import pretrain

    chosen = recipe.load(args.recipe, recipe.PretrainRecipe)
    with distributed.workers() as workers:
        weights = pretrain(chosen, args.data, args.runs / chosen.name, workers)
        if workers.first:
            print(f"weights: {weights}")


def _soft_targets(args: argparse.Namespace) -> None:
    from training.engine import distributed
    from training.engine.distil import write_soft_targets

    with distributed.workers() as workers:
        written = write_soft_targets(
            args.weights, args.chips, args.out, workers.device, args.jittered
        )
        print(f"soft targets: {written}")


def _average(args: argparse.Namespace) -> None:
    from training.engine.average import average

    average(args.weights, args.out)
    print(f"weights: {args.out}")


def parser() -> argparse.ArgumentParser:
    """The command line: one sub-command per step."""
    main = argparse.ArgumentParser(prog="python -m training", description=__doc__)
    steps = main.add_subparsers(required=True, metavar="step")
    _learning(steps)
    release.add(steps)
    return main


def _learning(steps: Any) -> None:
    step = steps.add_parser("run", help="a recipe, from photos to a scored bundle")
    step.add_argument("recipe", type=Path)
    step.add_argument("--data", type=Path, default=Path("../shared/data"), help="sets of photos")
    step.add_argument("--runs", type=Path, default=Path("runs"), help="folder of all runs")
    step.set_defaults(run=_run)

    step = steps.add_parser("release", help="all that a shipped model takes, from photos on")
    step.add_argument("release", metavar="NAME", help="in training/releases, or a .toml file")
    step.add_argument("--data", type=Path, default=Path("../shared/data"), help="sets of photos")
    step.add_argument("--runs", type=Path, default=Path("runs"), help="folder of all runs")
    step.add_argument("--target", type=Path, help="in place of the library's own folder")
    step.set_defaults(run=_release)

    step = steps.add_parser("prepare", help="photos -> aligned chips")
    step.add_argument("--images", type=Path, required=True, help="zip of photos")
    step.add_argument("--labels", type=Path, required=True, help="their CSV")
    step.add_argument("--out", type=Path, required=True, help="folder to write")
    step.add_argument("--size", type=int, default=160, help="side of a stored chip in pixels")
    step.set_defaults(run=_prepare)

    step = steps.add_parser("pretrain", help="chips without labels -> weights to start from")
    step.add_argument("recipe", type=Path)
    step.add_argument("--data", type=Path, default=Path("runs/data"), help="prepared sets")
    step.add_argument("--runs", type=Path, default=Path("runs"), help="folder of all runs")
    step.set_defaults(run=_pretrain)

    step = steps.add_parser("finetune", help="chips -> weights")
    step.add_argument("recipe", type=Path)
    step.add_argument("--data", type=Path, default=Path("runs/data"), help="prepared sets")
    step.add_argument("--seed", type=int, help="in place of the recipe's; the run's name tells it")
    step.add_argument("--runs", type=Path, default=Path("runs"), help="folder of all runs")
    step.set_defaults(run=_finetune)

    step = steps.add_parser("soft-targets", help="weights of several runs -> answers to learn from")
    step.add_argument("weights", type=Path, nargs="+", help="model.pt of each run")
    step.add_argument("--chips", type=Path, required=True, help="folder that `prepare` wrote")
    step.add_argument("--out", type=Path, required=True, help="folder a recipe names as `teacher`")
    step.add_argument("--jittered", type=int, default=0, help="views of each chip beside itself")
    step.set_defaults(run=_soft_targets)

    step = steps.add_parser("average", help="weights of several runs -> their mean")
    step.add_argument("weights", type=Path, nargs="+", help="model.pt of each run")
    step.add_argument("--out", type=Path, required=True, help="model.pt to write")
    step.set_defaults(run=_average)


def main(arguments: list[str] | None = None) -> int:
    """Runs one step; 0 where it worked, 1 with a sentence on stderr where it did not."""
    args = parser().parse_args(arguments)
    try:
        args.run(args)
    except (ValueError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
