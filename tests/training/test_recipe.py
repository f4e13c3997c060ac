from pathlib import Path

import pytest

from tests.conftest import ROOT
from training import recipe
from training.recipe import PretrainRecipe, Recipe, RecipeError

SOUND = 'name = "a"\n[schedule]\nepochs = 1\n'


@pytest.mark.parametrize("path", sorted((ROOT / "training" / "recipes").glob("*.toml")), ids=str)
def test_every_recipe_is_sound_and_named_as_its_file(path: Path) -> None:
    found = recipe.load_any(path)
    assert found.name == path.stem
    assert isinstance(found, PretrainRecipe) == path.stem.startswith("mae-")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (SOUND + "epoch = 2\n", r"schedule\.epoch"),
        (SOUND.replace("1", "0"), r"schedule\.epochs"),
        (SOUND + "[model]\npatch_drop = 1.5\n", r"model\.patch_drop"),
        ('train_splits = ["train", "test"]\n' + SOUND, "held-out faces are not trained on: test"),
        (SOUND + '[[sources]]\nname = "fairface"\n', "fairface is never trained on"),
        (SOUND + '[[sources]]\nname = "a"\n[[sources]]\nname = "a"\n', "named twice"),
        (SOUND + '[[sources]]\nname = "a"\ncaps = { "young" = 5 }\n', "has the age 'young'"),
        (SOUND + '[[sources]]\nname = "a"\ncaps = { "3-7" = 0 }\n', r"sources\.0\.caps"),
        (SOUND + "stop_after = 9\n", "stop_after is past the last"),
        ("name = ", "not TOML"),
    ],
)
def test_a_mistake_is_named(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "recipe.toml"
    path.write_text(text)
    with pytest.raises(RecipeError, match=message):
        recipe.load(path, Recipe)


def test_fairface_may_be_looked_at(tmp_path: Path) -> None:
    path = tmp_path / "recipe.toml"
    path.write_text('validation = ["fairface"]\n' + SOUND)
    assert recipe.load(path, Recipe).validation == ("fairface",)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match="No such file"):
        recipe.load_any(tmp_path / "none.toml")
