"""What a collection takes in the cloud: measured milliseconds and memory -> minutes and dollars.

    python -m infra.scale --ms 200      # of the handler for one photo, on one virtual CPU

Prices are those of us-east-1 in 2026, in US dollars, without free tiers, as in `infra/cost.py`.
"""

import argparse
from dataclasses import dataclass
from typing import Final

from infra.cost import GB_SECOND, LAMBDA_REQUEST

S3_GET: Final = 0.40e-6
S3_PUT: Final = 5.00e-6
"""Lists cost as much: one for each thousand photos."""
EXPRESS_REQUEST: Final = 1.00e-6
EXPRESS_GB_SECOND: Final = 16.67e-6
TRANSITION: Final = 25.0e-6
"""Of the standard machine: one for each child that a map starts."""
_EXPRESS_GB: Final = 64 / 1024
"""Memory of a child, in steps of 64 MB."""
_OBJECTS_OF_BATCH: Final = 3
"""A part and its failures, and the map's own results, of which several share a file."""
_RAMP_PER_10_S: Final = 1000
"""Environments that Lambda adds to a function in ten seconds."""
CPU_HOUR: Final = {
    "AWS Batch on Fargate": 0.0494,
    "AWS Batch on Fargate Spot": 0.0148,
    "AWS Batch or Ray on EC2 (c7i)": 0.0446,
    "Spark on EMR (c7i)": 0.0446 + 0.0112,
    "Spark on EMR Serverless": 0.0642,
}
"""Of a virtual CPU with 2 GB, all of it busy: machines that start, idle or wait cost as much."""
SIZES: Final = (10_000, 100_000, 1_000_000, 10_000_000, 100_000_000)


@dataclass(frozen=True)
class Scale:
    """How it is run."""

    ms: float
    """Of the handler, for one photo, its reading from S3 included."""
    memory_mb: int
    architecture: str
    concurrency: int
    batch_size: int
    init_ms: float

    def seconds(self, photos: int) -> float:
        """Wall time where nothing but the concurrency bounds it."""
        batches = -(-photos // self.batch_size)
        at_once = min(self.concurrency, batches)
        start = self.init_ms / 1000 + at_once / _RAMP_PER_10_S * 10
        return start + photos * self.ms / 1000 / at_once

    def price(self, photos: int) -> dict[str, float]:
        """Dollars, by what they are paid for."""
        batches = -(-photos // self.batch_size)
        busy = photos * self.ms / 1000 + min(self.concurrency, batches) * self.init_ms / 1000
        return {
            "Lambda": busy * self.memory_mb / 1024 * GB_SECOND[self.architecture]
            + batches * LAMBDA_REQUEST,
            "Step Functions": batches * (TRANSITION + EXPRESS_REQUEST)
            + photos * self.ms / 1000 * _EXPRESS_GB * EXPRESS_GB_SECOND,
            "S3 requests": photos * (S3_GET + S3_PUT / 1000)
            + batches * (_OBJECTS_OF_BATCH * S3_PUT + S3_GET),
        }


def table(scale: Scale) -> str:
    """For people."""
    names = list(scale.price(1))
    heads = ("photos", "minutes", *names, "dollars")
    lines = ["".join(f"{head:>16}" for head in heads)]
    for photos in SIZES:
        price = scale.price(photos)
        cells = [f"{photos:,}", f"{scale.seconds(photos) / 60:,.1f}"]
        cells += [f"{price[name]:,.2f}" for name in names]
        lines.append("".join(f"{cell:>16}" for cell in (*cells, f"{sum(price.values()):,.2f}")))
    return "\n".join(lines)


def comparison(scale: Scale) -> str:
    """Computing alone, for a million photos, as if every machine were busy to the end."""
    hours = 1e6 * scale.ms / 1000 / 3600
    prices = {"this": scale.price(1_000_000)["Lambda"]} | {
        name: hours * price for name, price in CPU_HOUR.items()
    }
    lines = [f"{'computing, a million photos':34}{'dollars':>10}"]
    return "\n".join([*lines, *(f"{name:34}{price:10.2f}" for name, price in prices.items())])


def main() -> None:
    """Prints both tables."""
    parser = argparse.ArgumentParser(prog="python -m infra.scale", description=__doc__)
    parser.add_argument("--ms", type=float, required=True, help="of the handler, for one photo")
    parser.add_argument("--memory-mb", type=int, default=1769)
    parser.add_argument("--architecture", choices=GB_SECOND, default="x86_64")
    parser.add_argument("--concurrency", type=int, default=100, help="-c batch_concurrency")
    parser.add_argument("--batch-size", type=int, default=100, help="-c batch_size")
    parser.add_argument("--init-ms", type=float, default=2000, help="of a cold start")
    scale = Scale(**vars(parser.parse_args()))
    print(table(scale), comparison(scale), sep="\n\n")


if __name__ == "__main__":
    main()
