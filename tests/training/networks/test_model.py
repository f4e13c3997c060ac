import pytest
import torch
from pydantic import ValidationError

from training.networks.model import AgeGenderNet
from training.recipe import Model

FOLDED = Model(backbone="test_vit", image_size=64, start="random", folded=True)


@pytest.mark.parametrize("join_block", [0, 2])
def test_a_folded_network_answers_a_mirror_image_alike(join_block: int) -> None:
    net = AgeGenderNet(FOLDED.model_copy(update={"join_block": join_block})).eval()
    chips = torch.rand(3, 3, 64, 64)
    with torch.no_grad():
        answers, mirrored, turned = (net(c) for c in (chips, chips.flip(3), chips.flip(2)))
    for answer, other in zip(answers, mirrored, strict=True):
        torch.testing.assert_close(other, answer)
    assert not torch.allclose(turned[0], answers[0])


@pytest.mark.parametrize("join_block", [0, 2])
def test_a_folded_network_sees_both_halves(join_block: int) -> None:
    net = AgeGenderNet(FOLDED.model_copy(update={"join_block": join_block})).eval()
    chips = torch.rand(1, 3, 64, 64)
    left, right = chips.clone(), chips.clone()
    left[..., :16], right[..., 48:] = 0, 0
    with torch.no_grad():
        answer, without_left, without_right = (net(c)[0] for c in (chips, left, right))
    assert not torch.allclose(without_left, answer)
    assert not torch.allclose(without_right, answer)


def test_chips_that_do_not_fold_between_patches_are_refused() -> None:
    with pytest.raises(ValueError, match="48 pixels are no even number of patches"):
        AgeGenderNet(FOLDED.model_copy(update={"image_size": 48}))


def test_halves_that_never_meet_are_refused() -> None:
    with pytest.raises(ValueError, match="meet in none of the 6 blocks"):
        AgeGenderNet(Model(backbone="test_vit", image_size=64, folded=True, join_block=6))


def test_a_network_that_is_not_folded_has_no_halves_to_join() -> None:
    with pytest.raises(ValidationError, match="join_block is for a folded network"):
        Model.model_validate({**FOLDED.model_dump(), "folded": False, "join_block": 2})
