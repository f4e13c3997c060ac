"""What a bundle's data means for those who use it: licence and description, by collection."""

from collections.abc import Mapping
from typing import Final, NamedTuple

from apparent.model.bundle import DataSource

_RESEARCH: Final = "non-commercial research only"
_CODE: Final = "Code: MIT."


class Collection(NamedTuple):
    """A collection of faces."""

    title: str
    licence: str


COLLECTIONS: Final = {
    "utkface": Collection("UTKFace", _RESEARCH),
    "celeba": Collection("CelebA", _RESEARCH),
    "aaf": Collection("All-Age-Faces", _RESEARCH),
    "groups": Collection("Images of Groups", _RESEARCH),
    "web": Collection("LFW and news pictures", _RESEARCH),
    "fairface": Collection("FairFace", "CC BY 4.0"),
}

INTENDED_USE: Final = (
    "Aggregate, anonymous statistics and playful estimates of how old faces look and which gender "
    "they are perceived as. Not for age checks, identification, or any decision about a person."
)


def title(name: str) -> str:
    """The full name of a collection."""
    return COLLECTIONS[name].title if name in COLLECTIONS else name


def licence(data: Mapping[str, DataSource]) -> str:
    """The licence sentence of weights trained on collections; the strictest terms hold."""
    if not data:
        return (
            "Weights: for non-commercial research only, as what they were trained on was not "
            f"recorded. {_CODE}"
        )
    if unknown := [name for name in data if name not in COLLECTIONS]:
        names = ", ".join(unknown)
        return f"Weights: not to be passed on; the terms of {names} are not known here. {_CODE}"
    titles = ", ".join(COLLECTIONS[name].title for name in data)
    terms = dict.fromkeys(COLLECTIONS[name].licence for name in data)
    strictest = _RESEARCH if _RESEARCH in terms else " and ".join(terms)
    return f"Weights: {strictest}, as the faces they were trained on ({titles}). {_CODE}"


def may_be_shipped(data: Mapping[str, DataSource]) -> bool:
    """Whether the terms of all collections are known."""
    return all(name in COLLECTIONS for name in data)


def description(data: Mapping[str, DataSource]) -> str:
    """What weights learnt from, for the model card."""
    if not data:
        return "What it was trained on was not recorded"
    return ", ".join(f"{title(name)} ({source.faces:,} faces)" for name, source in data.items())


def weights_notice(estimator: str, detector: str, sentence: str) -> str:
    """The text of LICENSE-WEIGHTS."""
    return (
        f"{estimator}\n\n{sentence}\n\n{detector} is YuNet (MIT licence, Shiqi Yu and "
        "contributors), taken unchanged from a pinned package.\n"
    )
