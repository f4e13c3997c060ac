"""Batches made ready for a GPU while it works on the ones before."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from typing import NamedTuple, TypeVar

import torch

Place = TypeVar("Place")
Batch = TypeVar("Batch", bound=NamedTuple)

_DEPTH = 2
"""Batches that are being made or wait."""


def prefetched(
    make: Callable[[Place], Batch], places: Iterable[Place], device: torch.device
) -> Iterator[Batch]:
    """`make` of each place, in order: what `map` gives, on a GPU earlier.

    There a thread makes them on a stream of its own. A CPU has no time to spare: it makes each when
    it is asked for. A batch is a tuple of tensors, some of which may be None.
    """
    if device.type != "cuda":
        yield from map(make, places)
        return
    stream = torch.cuda.Stream(device)

    def begun(place: Place) -> tuple[Batch, torch.cuda.Event]:
        with torch.cuda.stream(stream):
            return make(place), stream.record_event()

    left = iter(places)
    with ThreadPoolExecutor(1) as thread:
        waiting: deque[Future[tuple[Batch, torch.cuda.Event]]] = deque(
            thread.submit(begun, place) for place in islice(left, _DEPTH)
        )
        while waiting:
            batch, ready = waiting.popleft().result()
            waiting.extend(thread.submit(begun, place) for place in islice(left, 1))
            current = torch.cuda.current_stream(device)
            current.wait_event(ready)
            for tensor in batch:
                if tensor is not None:
                    tensor.record_stream(current)  # its memory is not the thread's to use anew yet
            yield batch
