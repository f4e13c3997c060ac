import pytest
import torch

from training._timm import timm
from training.networks.mae import (
    MaskedAutoencoder,
    patchify,
    random_masking,
    reconstruction,
    targets,
    unpatchify,
)
from training.recipe import Pretraining

SIDE = 64  # 4 x 4 patches of 16 pixels


@pytest.fixture
def mae() -> MaskedAutoencoder:
    torch.manual_seed(0)
    backbone = timm.create_model("test_vit", img_size=SIDE, num_classes=0)
    return MaskedAutoencoder(
        backbone, Pretraining(decoder_width=24, decoder_heads=2, decoder_depth=1)
    ).eval()


@pytest.fixture
def chips() -> torch.Tensor:
    return torch.rand(3, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(1))


def noise(n: int, seed: int = 0) -> torch.Tensor:
    return torch.rand(n, 16, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize(("ratio", "kept_count"), [(0.75, 4), (0.5, 8), (0.9, 2)])
def test_as_many_patches_are_hidden_as_the_ratio_says(ratio: float, kept_count: int) -> None:
    kept, mask, restore = random_masking(noise(5), ratio)
    assert kept.shape == (5, kept_count)
    assert mask.sum(dim=1).tolist() == [16 - kept_count] * 5
    assert mask.gather(1, kept).sum() == 0
    assert restore.sort(dim=1).values.tolist() == [list(range(16))] * 5


def test_every_image_hides_other_patches_and_every_patch_is_hidden_as_often() -> None:
    _, mask, _ = random_masking(noise(4000), 0.75)
    assert len(mask.unique(dim=0)) > 1000
    assert mask.mean(dim=0) == pytest.approx(torch.full((16,), 0.75), abs=0.03)


def test_patches_are_in_reading_order_and_go_back(chips: torch.Tensor) -> None:
    patches = patchify(chips, 16)
    assert patches.shape == (3, 16, 768)
    second = chips[0, :, :16, 16:32].permute(1, 2, 0).reshape(-1)
    assert torch.equal(patches[0, 1], second)
    assert torch.equal(unpatchify(patches, 16, (4, 4)), chips)


def test_targets_have_mean_0_and_variance_1_in_every_patch(chips: torch.Tensor) -> None:
    normalised = targets(chips, 16)
    assert normalised.mean(dim=2).abs().max() < 1e-5
    assert normalised.var(dim=2) == pytest.approx(torch.ones(3, 16), abs=1e-3)


def test_the_loss_is_the_error_of_hidden_patches_alone(
    mae: MaskedAutoencoder, chips: torch.Tensor
) -> None:
    loss, painted, mask = mae(chips, noise(3))
    error = ((painted - targets(chips, 16)) ** 2).mean(dim=2)
    torch.testing.assert_close(loss, error[mask == 1].mean())
    # What is painted over visible patches gets no gradient.
    painted.retain_grad()
    loss.backward()
    assert painted.grad is not None
    assert painted.grad[mask == 0].abs().max() == 0
    assert painted.grad[mask == 1].abs().min() > 0


def test_the_encoder_sees_visible_patches_only(mae: MaskedAutoencoder, chips: torch.Tensor) -> None:
    kept, mask, _ = random_masking(noise(3), 0.75)
    tokens = mae.encode(chips, kept)
    assert tokens.shape[1] == mae.prefix + 4
    patches = patchify(chips, 16)
    other = torch.where(mask[:, :, None] == 1, torch.rand_like(patches), patches)
    torch.testing.assert_close(mae.encode(unpatchify(other, 16, (4, 4)), kept), tokens)


def test_a_few_steps_on_one_image_lower_the_loss(
    mae: MaskedAutoencoder, chips: torch.Tensor
) -> None:
    optimizer = torch.optim.AdamW(mae.parameters(), lr=3e-3)
    losses = []
    for step in range(30):
        loss, _, _ = mae(chips, noise(3, step))
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        losses.append(loss.item())
    assert sum(losses[-5:]) < 0.95 * sum(losses[:5])


def test_a_reconstruction_shows_visible_patches_unchanged(
    mae: MaskedAutoencoder, chips: torch.Tensor
) -> None:
    _, painted, mask = mae(chips, noise(3))
    shown = patchify(reconstruction(chips, painted, mask, mae), 16)
    visible = mask == 0
    assert torch.equal(shown[visible], patchify(chips, 16)[visible])
    perfect = reconstruction(chips, targets(chips, 16), mask, mae)
    torch.testing.assert_close(perfect, chips, atol=1e-4, rtol=1e-4)
