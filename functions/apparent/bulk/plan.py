"""What a run is going to do, written beside its parts, so that it can be gone on with."""

import hashlib
from collections.abc import Iterable, Sequence
from typing import Final

from pydantic import BaseModel, ConfigDict, ValidationError

from apparent.bulk.parts import PART, Parts
from apparent.errors import ApparentError
from apparent.model.store import Bundle

PLAN: Final = "plan.json"


class BulkError(ApparentError):
    """The run cannot start or go on; the message says what to do."""


class Plan(BaseModel):
    """The same plan gives the same parts, byte for byte, whoever makes which of them."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    format: str
    photos: int
    names_sha256: str
    """Of the photos' sorted names, each ended by a zero byte."""
    shard_size: int
    """Photos of a part."""
    model: str
    """The first 12 hex digits of the bundle's sha256, its intervals and threshold included."""
    max_pixels: int

    @property
    def shards(self) -> int:
        """How many parts there will be."""
        return -(-self.photos // self.shard_size)

    def part(self, shard: int) -> str:
        """The name of a shard's part, counted from 0."""
        return f"{PART}{shard + 1:06}-of-{self.shards:06}.{self.format}"


def plan(names: Sequence[str], kind: str, shard_size: int, bundle: Bundle, max_pixels: int) -> Plan:
    """For these photos and this model."""
    digest = hashlib.sha256()
    for name in names:
        digest.update(name.encode("utf-8", "surrogateescape") + b"\0")
    return Plan(
        format=kind,
        photos=len(names),
        names_sha256=digest.hexdigest(),
        shard_size=shard_size,
        model=bundle.content_hash[:12],
        max_pixels=max_pixels,
    )


def begin(parts: Parts, before: Iterable[str], wanted: Plan, *, resume: bool) -> None:
    """Writes the plan where there is none; raises `BulkError` where there is another one, or the
    same and the run was not meant to be gone on with, or parts that no plan tells of.

    `before` names what was there before this call: whoever begins at the same time writes a plan
    first, and then parts.
    """
    try:
        there = Plan.model_validate_json(parts.read(PLAN))
    except FileNotFoundError:
        if any(name.startswith(PART) for name in before):
            raise BulkError(
                f"The output holds parts and no {PLAN} that says of what. Name another output."
            ) from None
        parts.write(PLAN, wanted.model_dump_json(indent=2).encode() + b"\n")
        return
    except ValidationError as error:
        raise BulkError(f"{PLAN} beside the parts is damaged. Name another output.") from error
    if there == wanted:
        if not resume:
            raise BulkError("The output holds this run already. --resume goes on with it.")
        return
    changed = [
        field for field in Plan.model_fields if getattr(there, field) != getattr(wanted, field)
    ]
    raise BulkError(
        f"The output holds another run: {', '.join(changed)} differ ({PLAN} says how it was). "
        "Start again as then, or name another output."
    )
