import pytest
import torch

from training.augment import DRAWS, augment, to_float
from training.recipe import Augment

STILL = Augment(rotation=0, scale=0, shift=0, brightness=0, contrast=0, saturation=0, grey=0)


@pytest.fixture
def chips() -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    coarse = torch.rand(64, 3, 7, 7, generator=generator)
    smooth = torch.nn.functional.interpolate(coarse, (56, 56), mode="bicubic").clamp(0, 1)
    return (smooth * 255).permute(0, 2, 3, 1).to(torch.uint8)


def run(chips: torch.Tensor, recipe: Augment, seed: int = 0) -> torch.Tensor:
    draws = torch.rand(len(chips), DRAWS, generator=torch.Generator().manual_seed(seed))
    return augment(chips, 28, recipe, draws)


def test_without_any_range_only_flips_remain(chips: torch.Tensor) -> None:
    plain, result = to_float(chips, 28), run(chips, STILL)
    kept = (result - plain).abs().amax(dim=(1, 2, 3)) < 1e-3
    flipped = (result - plain.flip(3)).abs().amax(dim=(1, 2, 3)) < 1e-3
    assert (kept ^ flipped).all()
    assert 16 < kept.sum() < 48


def test_the_draws_of_a_face_decide_everything_about_it(chips: torch.Tensor) -> None:
    recipe, draws = Augment(coarse=0.5), torch.rand(len(chips), DRAWS)
    whole = augment(chips, 28, recipe, draws)
    parts = [augment(chips[i::2], 28, recipe, draws[i::2]) for i in (0, 1)]
    torch.testing.assert_close(torch.stack(parts, dim=1).flatten(0, 1), whole)
    assert not torch.equal(whole, run(chips, recipe))


def test_values_stay_in_range_at_the_extremes(chips: torch.Tensor) -> None:
    wild = Augment(
        rotation=90, scale=0.5, shift=0.5, brightness=1, contrast=1, saturation=1, grey=0
    )
    result = run(chips, wild)
    assert result.shape == (64, 3, 28, 28)
    assert result.min() >= 0
    assert result.max() <= 1


def test_brightness_changes_brightness_only_by_its_range(chips: torch.Tensor) -> None:
    ratio = run(chips, STILL.model_copy(update={"brightness": 0.2})).mean((1, 2, 3)) / to_float(
        chips, 28
    ).mean((1, 2, 3))
    assert 0.79 < ratio.min() < 0.9
    assert 1.02 < ratio.max() < 1.21


def test_grey_faces_have_no_colour(chips: torch.Tensor) -> None:
    result = run(chips, STILL.model_copy(update={"grey": 1}))
    assert (result.amax(dim=1) - result.amin(dim=1)).max() < 1e-5


def test_a_shift_moves_by_at_most_its_fraction_of_the_side() -> None:
    dot = torch.zeros(64, 56, 56, 3, dtype=torch.uint8)
    dot[:, 26:30, 26:30] = 255
    result = run(dot, STILL.model_copy(update={"shift": 0.1}))[:, 0]
    rows = (result.sum(2) * torch.arange(28)).sum(1) / result.sum((1, 2)) - 13.5
    assert 1.5 < rows.abs().max() <= 2.85


def test_coarse_faces_have_lost_their_detail_but_not_their_shape(chips: torch.Tensor) -> None:
    noise = torch.randint(0, 256, chips.shape, generator=torch.Generator().manual_seed(0))
    noisy = noise.to(torch.uint8)
    sharp = run(noisy, STILL)
    coarse = run(noisy, STILL.model_copy(update={"coarse": 1}))
    assert coarse.shape == sharp.shape
    assert coarse.std() < 0.7 * sharp.std()
    smooth, still_smooth = (run(chips, STILL.model_copy(update={"coarse": n})) for n in (0, 1))
    assert (smooth - still_smooth).abs().mean() < 0.2 * smooth.std()
