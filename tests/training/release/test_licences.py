import pytest

from apparent.model.bundle import DataSource
from training.release.licences import description, licence, may_be_shipped

FACES = DataSource(labels_sha256="0" * 64, faces=1200)


@pytest.mark.parametrize(
    ("names", "words"),
    [
        (["utkface", "celeba"], "non-commercial research only, .*UTKFace, CelebA"),
        (["fairface"], r"CC BY 4\.0, .*FairFace"),
        (["fairface", "groups"], "non-commercial research only, .*FairFace, Images of Groups"),
        ([], "what they were trained on was not recorded"),
    ],
)
def test_the_licence_is_the_data_s(names: list[str], words: str) -> None:
    import re

    assert re.search(words, licence(dict.fromkeys(names, FACES)))
    assert may_be_shipped(dict.fromkeys(names, FACES))


def test_weights_of_unknown_data_are_not_passed_on() -> None:
    data = {"utkface": FACES, "found-somewhere": FACES}
    assert not may_be_shipped(data)
    assert "terms of found-somewhere are not known" in licence(data)


def test_the_card_names_the_collections_with_their_sizes() -> None:
    assert description({"aaf": FACES}) == "All-Age-Faces (1,200 faces)"
