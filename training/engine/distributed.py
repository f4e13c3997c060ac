"""The processes that train one model together: those that `torchrun` started, or one alone.

torchrun --nproc-per-node 2 -m training finetune RECIPE
"""

import os
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any

import torch
from torch import distributed, nn
from torch.nn.parallel import DistributedDataParallel


@dataclass(frozen=True)
class Workers:
    """One process's view of all of them: every GPU has a process, or a CPU several."""

    device: torch.device
    rank: int = 0
    count: int = 1

    @property
    def first(self) -> bool:
        """Whether this process is the one that writes files and talks."""
        return self.rank == 0

    def share(self, net: nn.Module) -> nn.Module:
        """`net`, such that its gradients are the mean over all processes."""
        if self.count == 1:
            return net
        parallel: nn.Module = DistributedDataParallel(net)
        return parallel

    def mean(self, value: float) -> float:
        """The mean of a figure over all processes."""
        if self.count == 1:
            return value
        total = torch.tensor(value, device=self.device, dtype=torch.float64)
        distributed.all_reduce(total)
        return float(total) / self.count


@contextmanager
def workers() -> Iterator[Workers]:
    """Joins the other processes, over NCCL on GPUs and over gloo on CPUs, and leaves them after."""
    cuda = torch.cuda.is_available()
    if not distributed.is_torchelastic_launched():
        yield Workers(torch.device("cuda" if cuda else "cpu"))
        return
    device = torch.device("cuda", int(os.environ["LOCAL_RANK"])) if cuda else torch.device("cpu")
    if cuda:
        torch.cuda.set_device(device)
    distributed.init_process_group("nccl" if cuda else "gloo")
    try:
        yield Workers(device, distributed.get_rank(), distributed.get_world_size())
    finally:
        distributed.destroy_process_group()


def without_exchange(net: nn.Module) -> AbstractContextManager[Any]:
    """Where gradients are summed here first, and exchanged by a later backward pass."""
    return net.no_sync() if isinstance(net, DistributedDataParallel) else nullcontext()
