import json
from pathlib import Path

import pytest
import torch

from tests.training.conftest import PRETRAINING, recipe, weights
from training.__main__ import main
from training._timm import timm
from training.engine.loop import adamw
from training.networks.mae import MaskedAutoencoder
from training.recipe import Pretraining, PretrainSchedule


@pytest.fixture
def mae() -> MaskedAutoencoder:
    backbone = timm.create_model("test_vit", img_size=32, num_classes=0, init_values=0.1)
    return MaskedAutoencoder(
        backbone, Pretraining(decoder_width=24, decoder_heads=2, decoder_depth=1)
    )


def groups(mae: MaskedAutoencoder, **schedule: float) -> dict[str, tuple[float, float]]:
    """Rate and weight decay of each parameter."""
    settings = PretrainSchedule(epochs=1, **schedule)
    decoder = [(n, p) for n, p in mae.named_parameters() if not n.startswith("backbone.")]
    optimizer = adamw(mae.backbone, decoder, settings)
    names = {id(p): name for name, p in mae.named_parameters()}
    return {
        names[id(p)]: (group["lr"], group["weight_decay"])
        for group in optimizer.param_groups
        for p in group["params"]
    }


def test_biases_norms_scales_tokens_and_positions_do_not_decay(mae: MaskedAutoencoder) -> None:
    found = groups(mae, batch_size=64)
    assert found.keys() == dict(mae.named_parameters()).keys()
    still = {name for name, (_, decay) in found.items() if decay == 0}
    for part in (
        *("mask_token", "decoder_position", "decoder_embed.bias", "decoder.1.weight"),
        *("backbone.cls_token", "backbone.pos_embed", "backbone.patch_embed.proj.bias"),
        *("backbone.blocks.0.norm1.weight", "backbone.blocks.0.ls1.gamma", "backbone.norm.bias"),
    ):
        assert part in still
    for part in ("decoder_embed.weight", "backbone.blocks.0.attn.qkv.weight", "decoder.2.weight"):
        assert found[part][1] == PretrainSchedule(epochs=1).weight_decay


def test_the_rate_is_the_base_rate_for_256_faces(mae: MaskedAutoencoder) -> None:
    rate = groups(mae, batch_size=64, learning_rate=1e-3)["decoder_embed.weight"][0]
    assert rate == pytest.approx(2.5e-4)


def test_layers_far_from_the_decoder_learn_more_slowly(mae: MaskedAutoencoder) -> None:
    found = groups(mae, batch_size=256, learning_rate=1e-3, layer_decay=0.5, backbone_rate=0.1)
    first, last = (found[f"backbone.blocks.{i}.mlp.fc1.weight"][0] for i in (0, 5))
    assert found["decoder_embed.weight"][0] == pytest.approx(1e-3)
    assert found["backbone.norm.weight"][0] == pytest.approx(1e-4)
    assert last == pytest.approx(32 * first)
    assert found["backbone.patch_embed.proj.weight"][0] == pytest.approx(first / 2)


def test_a_pretrained_backbone_is_a_start_for_fine_tuning_and_that_for_more(
    sets: Path, tmp_path: Path
) -> None:
    path = tmp_path / "mae.toml"
    path.write_text(PRETRAINING.format(name="mae"))
    common = ["--data", str(sets), "--runs", str(tmp_path)]
    assert main(["pretrain", str(path), *common]) == 0
    out = tmp_path / "mae"
    assert (out / "reconstructions.png").read_bytes().startswith(b"\x89PNG")
    entries = [json.loads(line) for line in (out / "log.jsonl").read_text().splitlines()]
    assert {"loss", "gradient_norm", "learning_rate"} <= entries[1].keys()
    assert json.loads((out / "run.json").read_text())["data"]["ranges"]["faces"] == 14
    start = out / "model.pt"
    for name in ("from-mae", "from-finetuned"):
        slow = "learning_rate = 1e-9"
        made = recipe(tmp_path, name, epochs=1, start=start, schedule=slow)
        assert main(["finetune", str(made), *common]) == 0
        backbone = weights(tmp_path / name)["backbone.blocks.0.mlp.fc1.weight"]
        torch.testing.assert_close(backbone, weights(out)["blocks.0.mlp.fc1.weight"])
        start = tmp_path / name / "model.pt"
    heads = [weights(tmp_path / name)["head.1.weight"] for name in ("from-mae", "from-finetuned")]
    torch.testing.assert_close(*heads)


def test_a_start_that_does_not_fit_is_a_sentence(
    sets: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    common = ["--data", str(sets), "--runs", str(tmp_path)]
    assert main(["finetune", str(recipe(tmp_path, epochs=1)), *common]) == 0
    other = recipe(tmp_path, "other", start=tmp_path / "tiny" / "model.pt")
    other.write_text(other.read_text().replace("head_width = 16", "head_width = 24"))
    assert main(["finetune", str(other), *common]) == 1
    assert "does not fit the network" in capsys.readouterr().err
