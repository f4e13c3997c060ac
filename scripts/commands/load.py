"""Load on a service over HTTP: throughput and latency by number of clients, and a soak that mixes
good photos with hostile ones and tells the server's memory. It starts `scripts/serve` on a free
port, or asks the service at --url, whose memory it cannot see.
"""

import argparse
import asyncio
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import cycle
from pathlib import Path
from typing import Final

import httpx2
import numpy as np

from apparent.arguments import positive
from scripts.commands.arguments import seconds
from scripts.commands.fuzz import PREDICT, Request, corpus, form, memory
from scripts.commands.hostile_forms import FORM_TYPE

PHOTO: Final = Path(__file__).parents[2] / "site" / "samples" / "grace_hopper.jpg"
_GOOD: Final = 4
"""Of a soak's requests one in so many is a good photo."""


class StartError(RuntimeError):
    """The service did not start; the message says where it is told why."""


@contextmanager
def served() -> Iterator[tuple[str, int]]:
    """The address and the process of a service of our own; raises `StartError`."""
    command = [sys.executable, "-m", "scripts.commands.serve", "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None  # noqa: S101 -- it was asked for
        try:
            if not (announced := process.stdout.readline()):
                raise StartError("The service did not start; what it printed says why.")
            yield announced.split()[1].rstrip("/"), process.pid
        finally:
            process.terminate()


async def load(
    url: str, clients: int, seconds: float, requests: Callable[[], Iterator[Request]]
) -> tuple[list[float], Counter[str]]:
    """Milliseconds of each request of so many clients, and how often each status came."""
    spent: list[float] = []
    statuses: Counter[str] = Counter()
    shared, end = requests(), time.monotonic() + seconds
    limits = httpx2.Limits(max_connections=clients)
    async with httpx2.AsyncClient(base_url=url, timeout=120, limits=limits) as session:

        async def client() -> None:
            while time.monotonic() < end:
                request = next(shared)
                headers = {"content-type": request.content_type}
                started = time.perf_counter()
                try:
                    response = await session.post(PREDICT, content=request.body, headers=headers)
                    statuses[str(response.status_code)] += 1
                except httpx2.TransportError as error:
                    statuses[type(error).__name__] += 1
                spent.append(1000 * (time.perf_counter() - started))

        await asyncio.gather(*(client() for _ in range(clients)))
    return spent, statuses


def good() -> Iterator[Request]:
    """One portrait, again and again."""
    return cycle([Request("good", FORM_TYPE, form(PHOTO.read_bytes()))])


def mixed() -> Iterator[Request]:
    """The hostile corpus again and again, and good photos in between."""
    # HTTP clients refuse to send some headers; scripts/fuzz has them.
    sendable = [r for r in corpus() if r.content_type.isascii() and r.content_type.isprintable()]
    portraits = good()
    for number, request in enumerate(cycle(sendable)):
        yield next(portraits) if number % _GOOD == 0 else request


def row(clients: int, spent: list[float], statuses: Counter[str], seconds: float) -> str:
    """Of the table."""
    quantiles = "".join(f"{float(np.percentile(spent, level)):>9.0f}" for level in (50, 95, 99))
    told = ", ".join(f"{status}: {count:,}" for status, count in sorted(statuses.items()))
    return f"{clients:>7}{len(spent) / seconds:>12.1f}{quantiles}   {told}"


def main() -> int:
    """Prints tables; 1 where the service failed."""
    parser = argparse.ArgumentParser(prog="scripts/load", description=__doc__)
    parser.add_argument("--url", help="of a running service")
    parser.add_argument("--clients", type=positive, nargs="+", default=[1, 4, 16])
    parser.add_argument("--seconds", type=seconds, default=20, help="for each number of clients")
    parser.add_argument("--soak", type=seconds, metavar="SECONDS", help="good and hostile photos")
    args = parser.parse_args()
    if args.url:
        try:
            httpx2.get(args.url, timeout=20)
        except (httpx2.TransportError, httpx2.InvalidURL) as error:
            parser.error(f"{args.url} does not answer: {error}")
        return measure(args.url, None, args)
    try:
        with served() as (url, pid):
            return measure(url, pid, args)
    except StartError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2


def measure(url: str, pid: int | None, args: argparse.Namespace) -> int:
    """0 where every answer was below 500."""
    seen: Counter[str] = Counter()
    print("clients  requests/s   p50 ms   p95 ms   p99 ms   statuses", flush=True)
    if not args.soak:
        for clients in args.clients:
            spent, statuses = asyncio.run(load(url, clients, args.seconds, good))
            print(row(clients, spent, statuses, args.seconds), flush=True)
            seen += statuses
    else:
        requests = mixed()
        for _ in range(10):
            spent, statuses = asyncio.run(load(url, 4, args.soak / 10, lambda: requests))
            told = f"   memory {memory('VmRSS', pid):.0f} MB" if pid else ""
            print(row(4, spent, statuses, args.soak / 10) + told, flush=True)
            seen += statuses
    if pid:
        print(f"peak memory of the service: {memory('VmHWM', pid):.0f} MB")
    return int(any(not status.isdecimal() or int(status) >= 500 for status in seen))


if __name__ == "__main__":
    sys.exit(main())
