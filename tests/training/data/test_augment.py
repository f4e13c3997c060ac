import pytest
import torch

from training.data.augment import DRAWS, augment, to_float
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
    draws = torch.rand(len(chips), DRAWS)
    recipe = Augment(
        gamma=0.2,
        cast=0.1,
        occlusion=0.5,
        small=0.5,
        blur=1,
        noise=0.1,
        jpeg=0.5,
    )
    whole = augment(chips, 28, recipe, draws)
    parts = [augment(chips[i::2], 28, recipe, draws[i::2]) for i in (0, 1)]
    torch.testing.assert_close(torch.stack(parts, dim=1).flatten(0, 1), whole)
    assert not torch.equal(whole, run(chips, recipe))


def test_a_face_that_fills_its_photo_keeps_its_middle_between_repeated_edges(
    chips: torch.Tensor,
) -> None:
    whole, close = run(chips, STILL), run(chips, STILL.model_copy(update={"close": 1}))
    middle = slice(10, 18)  # within three tenths of the side
    torch.testing.assert_close(close[..., middle, middle], whole[..., middle, middle])
    for one, other in ((close[..., 0, :], close[..., 1, :]), (close[..., 0], close[..., 1])):
        repeated = (one == other).all(dim=2).all(dim=1)
        assert repeated.sum() > 48  # nine tenths kept leave an edge of 1.4 pixels
    some = run(chips, STILL.model_copy(update={"close": 0.25}))
    changed = (some != whole).any(dim=3).any(dim=2).any(dim=1)
    assert 8 < changed.sum() < 24


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


def changed(chips: torch.Tensor, size: int = 28, **parts: float) -> tuple[torch.Tensor, ...]:
    """Faces without and with some parts of the recipe, flipped alike."""
    draws = torch.rand(len(chips), DRAWS, generator=torch.Generator().manual_seed(0))
    recipes = STILL, STILL.model_copy(update=parts)
    before, after = (augment(chips, size, recipe, draws) for recipe in recipes)
    return before, after


def test_a_small_picture_has_lost_its_detail_but_not_its_shape(chips: torch.Tensor) -> None:
    noise = torch.randint(0, 256, (64, 112, 112, 3), generator=torch.Generator().manual_seed(0))
    sharp, small = changed(noise.to(torch.uint8), 112, small=1)
    assert small.shape == sharp.shape
    assert (small.std(dim=(1, 2, 3)) < 0.9 * sharp.std(dim=(1, 2, 3))).all()
    smooth, still_smooth = changed(chips, small=1)
    assert (smooth - still_smooth).abs().mean() < 0.2 * smooth.std()
    _, some = changed(noise.to(torch.uint8), 112, small=0.3)
    untouched = (some == sharp).all(dim=3).all(dim=2).all(dim=1)
    assert 30 < untouched.sum() < 60


def test_blur_takes_contrast_from_neighbours_and_none_of_the_light(chips: torch.Tensor) -> None:
    noise = torch.randint(0, 256, chips.shape, generator=torch.Generator().manual_seed(0))
    sharp, soft = changed(noise.to(torch.uint8), blur=1.5)
    assert soft.std() < 0.8 * sharp.std()
    assert float(soft.mean()) == pytest.approx(float(sharp.mean()), abs=0.01)


def test_noise_is_as_strong_as_the_recipe_allows_and_another_for_each_face(
    chips: torch.Tensor,
) -> None:
    grey = torch.full_like(chips, 128)
    before, after = changed(grey, noise=0.1)
    spread = (after - before).std(dim=(1, 2, 3))
    assert 0.08 < spread.max() < 0.11
    assert spread.min() < 0.02
    unit = (after - before) / spread[:, None, None, None]
    assert (unit[0] * unit[1]).mean().abs() < 0.1


def test_occlusion_hides_a_box_of_some_faces(chips: torch.Tensor) -> None:
    before, after = changed(chips, occlusion=0.5)
    hidden = (before != after).any(dim=1).float().mean(dim=(1, 2))
    assert 16 < (hidden > 0).sum() < 48
    assert hidden.max() < 0.3
    assert hidden[hidden > 0].min() > 0.005


def test_recompression_changes_little_and_only_some_faces(chips: torch.Tensor) -> None:
    before, after = changed(chips, jpeg=0.5)
    error = (before - after).abs().mean(dim=(1, 2, 3))
    assert 16 < (error > 0.002).sum() < 48
    assert error.max() < 0.1


def test_a_colour_cast_and_gamma_change_channels_within_their_range(chips: torch.Tensor) -> None:
    grey = torch.full_like(chips, 128)
    before, after = changed(grey, cast=0.2)
    ratio = (after / before).mean(dim=(2, 3))
    assert 0.79 < ratio.min() < 0.85
    assert 1.15 < ratio.max() < 1.21
    assert (ratio.amax(dim=1) - ratio.amin(dim=1)).max() > 0.2
    _, bent = changed(grey, gamma=0.25)
    exponent = bent.mean(dim=(1, 2, 3)).log() / before.mean(dim=(1, 2, 3)).log()
    assert 0.8 <= exponent.min() < 0.9
    assert 1.1 < exponent.max() <= 1.25


def test_motion_blurs_along_a_line_and_takes_no_light() -> None:
    sharp = torch.zeros(64, 32, 32, 3, dtype=torch.uint8)
    sharp[:, 16, 16] = 240
    draws = torch.rand(64, DRAWS, generator=torch.Generator().manual_seed(0))
    still = augment(sharp, 32, STILL, draws)
    moved = augment(sharp, 32, STILL.model_copy(update={"motion": 1.0}), draws)
    torch.testing.assert_close(moved.sum(dim=(1, 2, 3)), still.sum(dim=(1, 2, 3)))
    assert (moved.amax(dim=(1, 2, 3)) < 0.6 * still.amax(dim=(1, 2, 3))).all()
    assert torch.equal(augment(sharp, 32, STILL.model_copy(update={"motion": 1e-9}), draws), still)
