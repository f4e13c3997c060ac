"""timm, importable beside any build of torch.

torchvision registers fake kernels for two operators at import, and fails where its compiled library
does not load (a CUDA build beside torch for CPUs). Their schemas are all it needs then; where the
library does load, it defines them itself, and a second definition would end the process.
"""

import torch

try:
    import torchvision
except RuntimeError:
    _library = torch.library.Library("torchvision", "FRAGMENT")
    for _name in ("nms", "qnms"):
        _library.define(f"{_name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    import torchvision

import timm
import timm.layers
import timm.optim
import timm.utils

__all__ = ["timm", "torchvision"]
