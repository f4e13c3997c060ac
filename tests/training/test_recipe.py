from pathlib import Path

import pytest

from tests.conftest import ROOT
from training import recipe
from training.recipe import PretrainRecipe, Recipe, RecipeError

SOUND = 'name = "a"\n[schedule]\nepochs = 1\n'


@pytest.mark.parametrize("path", sorted((ROOT / "training" / "recipes").glob("*.toml")), ids=str)
def test_every_recipe_is_sound_and_named_as_its_file(path: Path) -> None:
    if path.stem.startswith("mae-"):
        assert recipe.load(path, PretrainRecipe).name == path.stem
    else:
        assert recipe.load(path, Recipe).name == path.stem


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (SOUND + "epoch = 2\n", r"schedule\.epoch"),
        (SOUND.replace("1", "0"), r"schedule\.epochs"),
        (SOUND + "[model]\npatch_drop = 1.5\n", r"model\.patch_drop"),
        ('train_splits = ["train", "test"]\n' + SOUND, "held-out"),
        ("name = ", "not TOML"),
    ],
)
def test_a_mistake_is_named(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "recipe.toml"
    path.write_text(text)
    with pytest.raises(RecipeError, match=message):
        recipe.load(path, Recipe)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match="No such file"):
        recipe.load(tmp_path / "none.toml", Recipe)
