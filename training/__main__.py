"""Training from the command line; `python -m training <step> --help` tells a step's arguments."""

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from apparent.atomic import write_text
from apparent.model import EMBEDDED

MODELS = EMBEDDED


def _prepare(args: argparse.Namespace) -> None:
    from apparent.detector import Detector
    from apparent.finder import Finder
    from training.prepare import prepare

    if args.out.exists():
        raise ValueError(f"{args.out} exists already. Remove it to prepare again.")
    finder = Finder(Detector((MODELS / "face_detector.onnx").read_bytes(), threads=1))
    missed = prepare(args.images, args.labels, args.out, finder, args.size)
    print(f"{args.out}: no face was found in {missed} photos, which keep their whole picture.")


def _finetune(args: argparse.Namespace) -> None:
    from training import parallel, recipe
    from training.finetune import finetune

    chosen = recipe.load(args.recipe, recipe.Recipe)
    if args.seed is not None:
        chosen = chosen.model_copy(
            update={"seed": args.seed, "name": f"{chosen.name}-seed{args.seed}"}
        )
    out = args.runs / chosen.name
    with parallel.workers() as workers:
        weights = finetune(chosen, args.data, out, workers)
        if workers.first:
            print(f"weights: {weights}")


def _pretrain(args: argparse.Namespace) -> None:
    from training import parallel, recipe
    from training.pretrain import pretrain

    chosen = recipe.load(args.recipe, recipe.PretrainRecipe)
    with parallel.workers() as workers:
        weights = pretrain(chosen, args.data, args.runs / chosen.name, workers)
        if workers.first:
            print(f"weights: {weights}")


def _teach(args: argparse.Namespace) -> None:
    from training import parallel
    from training.teach import teach

    with parallel.workers() as workers:
        print(f"soft targets: {teach(args.weights, args.chips, args.out, workers.device)}")


def _average(args: argparse.Namespace) -> None:
    from training.average import average

    average(args.weights, args.out)
    print(f"weights: {args.out}")


def _export(args: argparse.Namespace) -> None:
    from training.export import export

    for name, check in export(args.weights, args.chips, args.out, args.mirror).items():
        print(
            f"{name} against torch on val: ages differ by {check.age_difference:.3f} years, "
            f"gender agrees on {check.gender_agreement:.2%}"
        )
    print(f"model folder: {args.out}")


def _calibrate(args: argparse.Namespace) -> None:
    from training.calibrate import calibrate
    from training.evaluate import answers

    manifest, found = answers(args.model, args.images, args.labels, (args.split,), "photos")
    seen = found.where(~found.missed)
    manifest = calibrate(
        args.model,
        manifest,
        seen.age_probabilities,
        seen.female_probability,
        seen.ages,
        seen.is_female,
    )
    print(f"version {manifest.version}: {manifest.training['calibration']}, {manifest.interval}")


def _evaluate(args: argparse.Namespace) -> None:
    from training.evaluate import answers
    from training.metrics import LONG, report
    from training.model_folder import write_manifest

    splits, name = tuple(args.split), " + ".join(args.split)
    manifest, found = answers(args.model, args.images, args.labels, splits, args.through)
    figures = report(found, manifest.interval, manifest.gender)
    result = {
        "model": {"name": manifest.name, "version": manifest.version},
        "split": name,
        "through": args.through,
        **figures,
    }
    if args.json:
        write_text(args.json, json.dumps(result, indent=2) + "\n")
    if args.record:
        short = {key: value for key, value in figures.items() if key not in LONG}
        metrics = manifest.metrics | {name: {"through": args.through, **short}}
        write_manifest(args.model, manifest.model_copy(update={"metrics": metrics}))
    shown = [key for key, value in figures.items() if not isinstance(value, dict | list | tuple)]
    print("  ".join(f"{key} {figures[key]}" for key in shown if not key.endswith("_ci")))


def _report(args: argparse.Namespace) -> None:
    from training.report import report

    report(args.results, args.model, args.out, args.readme)
    print(f"written: {args.out}, {args.readme}")


def _publish(args: argparse.Namespace) -> None:
    from training.publish import publish

    print(publish(args.model, args.destination))


def _labelled_photos(step: argparse.ArgumentParser) -> None:
    step.add_argument("--model", type=Path, default=MODELS, help="model folder")
    step.add_argument("--images", type=Path, required=True, help="zip of photos")
    step.add_argument("--labels", type=Path, required=True, help="CSV: file, age, gender, split")


def parser() -> argparse.ArgumentParser:
    """The command line: one sub-command per step."""
    main = argparse.ArgumentParser(prog="python -m training", description=__doc__)
    steps = main.add_subparsers(required=True, metavar="step")
    _learning(steps)
    _shipping(steps)
    return main


def _learning(steps: Any) -> None:
    step = steps.add_parser("prepare", help="photos -> aligned chips")
    step.add_argument("--images", type=Path, required=True, help="zip of photos")
    step.add_argument("--labels", type=Path, required=True, help="CSV: file, age, gender, split")
    step.add_argument("--out", type=Path, required=True, help="folder to write")
    step.add_argument("--size", type=int, default=224, help="side of a stored chip in pixels")
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

    step = steps.add_parser("teach", help="weights of several runs -> soft targets for chips")
    step.add_argument("weights", type=Path, nargs="+", help="model.pt of each run")
    step.add_argument("--chips", type=Path, required=True, help="folder that `prepare` wrote")
    step.add_argument("--out", type=Path, required=True, help="folder a recipe names as `teacher`")
    step.set_defaults(run=_teach)

    step = steps.add_parser("average", help="weights of several runs -> their mean")
    step.add_argument("weights", type=Path, nargs="+", help="model.pt of each run")
    step.add_argument("--out", type=Path, required=True, help="model.pt to write")
    step.set_defaults(run=_average)


def _shipping(steps: Any) -> None:
    step = steps.add_parser("export", help="weights -> int8 model folder")
    step.add_argument("weights", type=Path, help="model.pt of a run")
    step.add_argument("--chips", type=Path, default=Path("runs/data/utkface"))
    step.add_argument("--out", type=Path, required=True, help="folder to write, and its -fp32 twin")
    step.add_argument("--mirror", action="store_true", help="answer from the mirror image too")
    step.set_defaults(run=_export)

    step = steps.add_parser("calibrate", help="temperatures and interval of a model folder")
    _labelled_photos(step)
    step.add_argument("--split", default="calibration")
    step.set_defaults(run=_calibrate)

    step = steps.add_parser("evaluate", help="score a model folder")
    _labelled_photos(step)
    step.add_argument("--split", required=True, nargs="+", help="one split, or several as one")
    step.add_argument("--through", choices=("photos", "chips"), default="photos")
    step.add_argument("--json", type=Path, help="file to write the figures to")
    step.add_argument("--record", action="store_true", help="store them in the folder's manifest")
    step.set_defaults(run=_evaluate)

    step = steps.add_parser("report", help="results files -> model card, plots, README's table")
    step.add_argument("results", type=Path, nargs="+", help="JSON that `evaluate` wrote")
    step.add_argument("--model", type=Path, default=MODELS, help="model folder")
    step.add_argument("--out", type=Path, default=Path("training/MODEL_CARD.md"))
    step.add_argument("--readme", type=Path, default=Path("README.md"))
    step.set_defaults(run=_report)

    step = steps.add_parser("publish", help="model folder -> S3")
    step.add_argument("destination", help="s3://BUCKET/PREFIX")
    step.add_argument("--model", type=Path, default=MODELS, help="model folder")
    step.set_defaults(run=_publish)


def main() -> int:
    """Runs one step; 0 where it worked, 1 with a sentence on stderr where it did not."""
    args = parser().parse_args()
    try:
        args.run(args)
    except (ValueError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
