"""The release steps of the command line: from weights to the shipped bundle."""

import argparse
import json
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from apparent.atomic import write_text
from apparent.model import EMBEDDED


def _export(args: argparse.Namespace) -> None:
    from training.release.export import export

    checks = export(
        args.weights, args.chips, args.out, mirrored=args.mirror, recorded=not args.without_record
    )
    for name, check in checks.items():
        print(
            f"{name} against torch on val: ages differ by {check.age_difference:.3f} years, "
            f"gender agrees on {check.gender_agreement:.2%}"
        )
    print(f"model bundle: {args.out}")


def _calibrate(args: argparse.Namespace) -> None:
    from training.release.answers import sources
    from training.release.calibrate import Options, calibrate

    if args.intervals_only and (args.knee, args.uncertain_below) != (None, None):
        raise ValueError("--intervals-only leaves --knee and --uncertain-below as they are.")
    chosen = {name: getattr(args, name) for name in Options.model_fields}
    try:
        options = Options(**{name: value for name, value in chosen.items() if value is not None})
    except ValidationError as error:
        wrong = "; ".join(f"{entry['loc'][0]}: {entry['msg']}" for entry in error.errors())
        raise ValueError(f"The options of calibration are wrong at {wrong}.") from error
    manifest = calibrate(
        args.model,
        sources(args.images, args.labels),
        args.split,
        options,
        intervals_only=args.intervals_only,
    )
    calibration = manifest.provenance.calibration
    print(f"version {manifest.version}: {calibration['fitted']}, covered {calibration['covered']}")
    print(manifest.policy.model_dump_json())


def _evaluate(args: argparse.Namespace) -> None:
    from training.release.answers import sources
    from training.release.evaluate import UNSERVED, evaluate, record, shown

    if args.record and args.through != "photos":
        raise ValueError(UNSERVED)
    if args.json and not args.json.absolute().parent.is_dir():
        raise ValueError(f"There is no folder for {args.json}. Make it, or name another file.")
    result = evaluate(
        args.model,
        sources(args.images, args.labels),
        args.split,
        args.through,
        steady=args.stability,
    )
    print(shown(result))
    if args.json:
        write_text(args.json, json.dumps(result, indent=2) + "\n")
    if args.record:
        record(args.model, result)


def _install(args: argparse.Namespace) -> None:
    from training.release.install import install

    bundle = install(args.model, args.target, args.card, args.readme)
    print(f"version {bundle.manifest.version} is in {args.target}")
    print(f"written: {args.card}, {args.readme}")


def _labelled_photos(step: argparse.ArgumentParser) -> None:
    step.add_argument(
        "--images", type=Path, required=True, nargs="+", action="extend", help="zips of photos"
    )
    step.add_argument(
        "--labels", type=Path, required=True, nargs="+", action="extend", help="their CSVs"
    )


def add(steps: Any) -> None:
    """Adds one sub-command per step."""
    step = steps.add_parser("export", help="weights -> model bundle")
    step.add_argument("weights", type=Path, help="model.pt of a run")
    step.add_argument("--chips", type=Path, default=Path("runs/data/utkface"))
    step.add_argument("--out", type=Path, required=True, help="folder to write")
    step.add_argument("--mirror", action="store_true", help="answer from the mirror image too")
    step.add_argument("--without-record", action="store_true", help="of a run older than run.json")
    step.set_defaults(run=_export)

    step = steps.add_parser("calibrate", help="temperatures and intervals of a model bundle")
    step.add_argument("--model", type=Path, required=True, help="model bundle, changed in place")
    _labelled_photos(step)
    step.add_argument("--split", default="calibration")
    step.add_argument(
        "--intervals-only", action="store_true", help="leave the networks as they are"
    )
    step.add_argument("--coverage", type=float, help="share of faces the interval holds")
    step.add_argument("--regions", type=int, nargs="+", help="first ages of its regions")
    step.add_argument("--region-slack", type=float, help="what a region may fall short by")
    step.add_argument("--knee", type=int, help="age from which the old are made likelier")
    step.add_argument("--uncertain-below", type=float, help="least probability of a gender")
    step.set_defaults(run=_calibrate)

    step = steps.add_parser("evaluate", help="score a model bundle")
    step.add_argument("--model", type=Path, default=EMBEDDED, help="model bundle")
    _labelled_photos(step)
    step.add_argument("--split", required=True, nargs="+", help="one split, or several")
    step.add_argument("--through", choices=("photos", "chips"), default="photos")
    step.add_argument("--json", type=Path, help="file to write the figures to")
    step.add_argument("--record", action="store_true", help="store them in the bundle's card")
    step.add_argument("--stability", action="store_true", help="also of nine crops of each photo")
    step.set_defaults(run=_evaluate)

    step = steps.add_parser("install", help="model bundle -> library, model card, README's table")
    step.add_argument("model", type=Path, help="model bundle")
    step.add_argument("--target", type=Path, default=EMBEDDED, help="folder of the library")
    step.add_argument("--card", type=Path, default=Path("training/MODEL_CARD.md"))
    step.add_argument("--readme", type=Path, default=Path("README.md"))
    step.set_defaults(run=_install)
