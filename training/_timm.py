"""timm, importable beside a CPU build of torch.

torchvision registers fake kernels for two operators at import, and fails where its compiled library
does not load (a CUDA build beside torch for CPUs). Their schemas are all it needs.
"""

import torch

_library = torch.library.Library("torchvision", "FRAGMENT")
if not hasattr(torch.ops.torchvision, "nms"):
    for _name in ("nms", "qnms"):
        _library.define(f"{_name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")

import timm  # noqa: E402
import timm.layers  # noqa: E402
import timm.optim  # noqa: E402
import timm.utils  # noqa: E402

__all__ = ["timm"]
