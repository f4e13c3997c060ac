import pytest
import torch

from training.networks.model import AgeGenderNet
from training.recipe import Model

TINY = Model(backbone="test_vit", image_size=64, start="random", corners=2, patch_drop=0.25)


@pytest.mark.parametrize("every_patch", [False, True])
def test_nothing_in_a_corner_changes_the_answer(every_patch: bool) -> None:
    net = AgeGenderNet(TINY).eval()
    if every_patch:
        net.see_all_patches()
    chips = torch.rand(2, 3, 64, 64)
    corner, edge = chips.clone(), chips.clone()
    corner[:, :, :16, :32] = corner[:, :, 32:, 48:] = 0
    edge[:, :, 16:32, 16:32] = 0
    with torch.no_grad():
        answers, unseen, seen = (net(images)[0] for images in (chips, corner, edge))
    torch.testing.assert_close(unseen, answers)
    assert not torch.allclose(seen, answers)


def test_corners_that_leave_nothing_are_refused() -> None:
    with pytest.raises(ValueError, match="Corners of 3 patches leave nothing of the chip"):
        AgeGenderNet(TINY.model_copy(update={"corners": 3}))
