"""What the service costs: measured milliseconds and memory, times AWS's list prices.

    python -m infra.cost --ms 45 --init-ms 723      # figures of `scripts/bench --container`
    python -m infra.cost attack                     # a day of somebody's worst, at the defaults

Prices are those of us-east-1 in 2026, in US dollars, without the free tiers (1 million requests and
400,000 GB-seconds of Lambda a month among them). They change: AWS's price pages have today's.
"""

import argparse
import sys
from dataclasses import dataclass
from typing import Final

GB_SECOND: Final = {"x86_64": 16.6667e-6, "arm64": 13.3334e-6}
PROVISIONED_GB_SECOND: Final = {"x86_64": 4.1667e-6, "arm64": 3.3334e-6}
"""Kept ready, whether used or not."""
LAMBDA_REQUEST: Final = 0.20e-6
API_REQUEST: Final = 1.00e-6
"""HTTP API, for each 512 KB."""
EDGE_REQUEST: Final = 1.00e-6
EDGE_UPLOAD_GB: Final = 0.02
EDGE_DOWNLOAD_GB: Final = 0.085
"""CloudFront: a request, what it passes on to the API, and what it sends to visitors."""
FIREWALL_REQUEST: Final = 0.60e-6
FIREWALL_MONTH: Final = 5.00 + 2 * 1.00
"""The list, and its two rules."""
SECRET_MONTH: Final = 0.40
LOG_GB: Final = 0.50
METRIC_MONTH: Final = 0.30
ALARM_MONTH: Final = 0.10
DASHBOARD_MONTH: Final = 3.00
STORAGE_GB_MONTH: Final = {"image in ECR": 0.10, "model in S3": 0.023}

_SECONDS_PER_MONTH: Final = 30 * 24 * 3600
_LOG_KB: Final = 2.0
_METRICS: Final = 12
_ALARMS: Final = 8
_STORED_GB: Final = {"image in ECR": 0.28, "model in S3": 0.024}


@dataclass(frozen=True)
class Use:
    """How it is used."""

    ms: float
    """Of the handler, for one photo."""
    init_ms: float
    """Of a cold start; billed like the handler's for images."""
    cold_share: float
    """Of all photos."""
    photo_kb: float
    memory_mb: int
    architecture: str

    def per_photo(self) -> dict[str, float]:
        """Dollars, by what they are paid for."""
        seconds = (self.ms + self.cold_share * self.init_ms) / 1000
        api_requests = -(-self.photo_kb // 512)
        return {
            "Lambda, GB-seconds": seconds * self.memory_mb / 1024 * GB_SECOND[self.architecture],
            "Lambda, request": LAMBDA_REQUEST,
            "HTTP API": api_requests * API_REQUEST,
            "CloudFront": EDGE_REQUEST + self.photo_kb / 1e6 * EDGE_UPLOAD_GB,
            "logs": _LOG_KB / 1e6 * LOG_GB,
        }

    def provisioned_per_month(self) -> float:
        """Dollars for one function kept ready."""
        price = PROVISIONED_GB_SECOND[self.architecture]
        return self.memory_mb / 1024 * _SECONDS_PER_MONTH * price


def at_rest_per_month() -> dict[str, float]:
    """Dollars while nobody sends a photo."""
    stored = {name: gb * STORAGE_GB_MONTH[name] for name, gb in _STORED_GB.items()}
    monitoring = {"alarms": _ALARMS * ALARM_MONTH, "dashboard": DASHBOARD_MONTH}
    return stored | monitoring | {"firewall": FIREWALL_MONTH, "secret": SECRET_MONTH}


_DAY: Final = 24 * 3600
_MAX_BODY_GB: Final = 10 * 1024**2 / 1e9
"""What API Gateway takes of a request before it refuses it: CloudFront has carried it then."""
_WINDOW: Final = 300
"""Seconds in which the firewall counts."""


@dataclass(frozen=True)
class Limits:
    """What bounds an attacker; tests hold the numbers to the template's."""

    concurrency: int = 10
    per_second: int = 5
    memory_mb: int = 1769
    api_requests: int = 300
    all_requests: int = 3000
    """Of one address in five minutes."""
    line_gbit: float = 1.0
    """Of an attacker's address; nothing in the stack bounds it."""

    def attack_per_day(self) -> dict[str, tuple[float, str]]:
        """Dollars of one day by part, and what caps each."""
        answered = self.per_second * _DAY
        body = -(-4.6e6 // 512e3)
        reserved = self.concurrency * _DAY * self.memory_mb / 1024
        throttle, firewall = "requests_per_second", "waf_requests"
        uploads = self.api_requests / _WINDOW * _DAY
        fetches = self.all_requests / _WINDOW * _DAY
        downloads = self.line_gbit / 8 * _DAY
        return {
            "Lambda, GB-seconds": (reserved * GB_SECOND["x86_64"], "reserved_concurrency"),
            "Lambda, requests": (answered * LAMBDA_REQUEST, throttle),
            "HTTP API, photos of 4.6 MB": (answered * body * API_REQUEST, throttle),
            "logs": (answered * _LOG_KB / 1e6 * LOG_GB, throttle),
            "CloudFront, requests": (fetches * EDGE_REQUEST, f"{firewall}, each address"),
            "firewall, requests": (fetches * FIREWALL_REQUEST, f"{firewall}, each address"),
            "CloudFront, uploads of 10 MiB": (
                uploads * _MAX_BODY_GB * EDGE_UPLOAD_GB,
                f"{firewall}, each address",
            ),
            "CloudFront, page at 1 Gbit/s": (
                downloads * EDGE_DOWNLOAD_GB,
                "nothing but a flat-rate plan; alarm",
            ),
        }


def attack_table(limits: Limits) -> str:
    """For people."""
    parts = limits.attack_per_day()
    lines = [f"{'dollars a day':36}{'':10}  capped by"]
    lines += [f"{name:36}{price:10.2f}  {cap}" for name, (price, cap) in parts.items()]
    whole = sum(
        price for price, cap in parts.values() if "address" not in cap and "plan" not in cap
    )
    each = sum(price for price, cap in parts.values() if "address" in cap)
    lines.append(f"{'the stack, however many attack':36}{whole:10.2f}")
    lines.append(f"{'and each address':36}{each:10.2f}")
    return "\n".join(lines)


def table(use: Use) -> str:
    """For people."""
    photo, rest = use.per_photo(), at_rest_per_month()
    lines = [f"{'dollars':36}{'1,000 photos':>14}{'1,000,000 photos':>18}"]
    for name, price in (*photo.items(), ("all", sum(photo.values()))):
        lines.append(f"{name:36}{1e3 * price:14.5f}{1e6 * price:18.2f}")
    lines += ["", f"{'dollars a month':36}{'':14}"]
    lines += [f"{name:36}{price:14.4f}" for name, price in rest.items()]
    lines += [
        f"{'at rest, all':36}{sum(rest.values()):14.2f}",
        f"{'metrics, in a month with photos':36}{_METRICS * METRIC_MONTH:14.2f}",
        f"{'each function kept ready':36}{use.provisioned_per_month():14.2f}",
    ]
    return "\n".join(lines)


def main() -> None:
    """Prints the table."""
    if sys.argv[1:] == ["attack"]:
        print(attack_table(Limits()))
        return
    parser = argparse.ArgumentParser(prog="python -m infra.cost", description=__doc__)
    parser.add_argument("--ms", type=float, required=True, help="of the handler, for one photo")
    parser.add_argument("--init-ms", type=float, required=True, help="of a cold start")
    parser.add_argument("--cold-share", type=float, default=0.01, help="of photos that meet one")
    parser.add_argument("--photo-kb", type=float, default=300)
    parser.add_argument("--memory-mb", type=int, default=1769)
    parser.add_argument("--architecture", choices=GB_SECOND, default="x86_64")
    print(table(Use(**vars(parser.parse_args()))))


if __name__ == "__main__":
    main()
