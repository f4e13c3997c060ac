import pytest
import torch

from training._timm import timm
from training.starts import load_backbone


def test_a_position_grid_of_another_size_is_resampled() -> None:
    large, small = (
        timm.create_model("test_vit", img_size=side, num_classes=0) for side in (64, 32)
    )
    torch.nn.init.constant_(large.pos_embed, 0.5)
    load_backbone(small, large.state_dict())
    assert small.pos_embed.shape[1] == 1 + 4
    torch.testing.assert_close(small.pos_embed, torch.full_like(small.pos_embed, 0.5))
    torch.testing.assert_close(small.blocks[0].mlp.fc1.weight, large.blocks[0].mlp.fc1.weight)


def test_weights_that_do_not_fit_are_refused_by_name() -> None:
    backbone = timm.create_model("test_vit", img_size=32, num_classes=0)
    weights = backbone.state_dict()
    del weights["norm.bias"]
    weights["extra"] = torch.ones(1)
    with pytest.raises(ValueError, match=r"missing \['norm.bias'\], left over \['extra'\]"):
        load_backbone(backbone, weights)
