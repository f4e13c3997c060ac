"""Training from the command line; `python -m training <step> --help` tells each step's arguments."""

import argparse
import sys
from pathlib import Path

MODELS = Path("functions/predict/models")


def _prepare(args: argparse.Namespace) -> None:
    from functions.predict.detector import Detector
    from training.prepare import prepare

    if args.out.exists():
        raise ValueError(f"{args.out} exists already. Remove it to prepare again.")
    detector = Detector((MODELS / "face_detector.onnx").read_bytes(), threads=1)
    missed = prepare(args.images, args.labels, args.out, detector, args.size)
    print(f"{args.out}: no face was found in {missed} photos, which keep their whole picture.")


def _finetune(args: argparse.Namespace) -> None:
    import torch

    from training import recipe
    from training.finetune import finetune

    chosen = recipe.load(args.recipe)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    weights = finetune(chosen, args.chips, args.runs / chosen.name, device)
    print(f"weights: {weights}")


def parser() -> argparse.ArgumentParser:
    """The command line: one sub-command per step."""
    main = argparse.ArgumentParser(prog="python -m training", description=__doc__)
    steps = main.add_subparsers(required=True, metavar="step")

    step = steps.add_parser("prepare", help="photos -> aligned chips")
    step.add_argument("--images", type=Path, required=True, help="zip of photos")
    step.add_argument("--labels", type=Path, required=True, help="CSV: file, age, gender, split")
    step.add_argument("--out", type=Path, required=True, help="folder to write")
    step.add_argument("--size", type=int, default=224, help="side of a stored chip in pixels")
    step.set_defaults(run=_prepare)

    step = steps.add_parser("finetune", help="chips -> weights")
    step.add_argument("recipe", type=Path)
    step.add_argument("--chips", type=Path, default=Path("runs/data/utkface"))
    step.add_argument("--runs", type=Path, default=Path("runs"), help="folder of all runs")
    step.set_defaults(run=_finetune)
    return main


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
