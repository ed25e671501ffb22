"""What every card has in common: which inputs, made by what, when, from which code, at what cost."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Annotated, Any, ClassVar, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from include.errors import BadInputError
from include.storage.store import Store

CardT = TypeVar("CardT", bound="Card")
CardKind = type["Card"]
Md5 = Annotated[str, Field(pattern=r"^[0-9a-f]{32}$")]


class Frozen(BaseModel):
    """A value that never changes and knows all its keys."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class InputCard(Frozen):
    """A card that was read: where, and the md5 of its bytes."""

    address: str
    md5: Md5


class Cost(Frozen):
    """What the machine time cost, by include/prices.yaml."""

    amount: float
    currency: str


class MadeBy(Frozen):
    """Who or what made a card, where, from which code, how long it took."""

    step: str
    dag_id: str
    run_id: str
    task_id: str
    started_by: str
    git_commit: str
    environment: str = Field(description="image digest, or lock:<sha256> of the environment's lock in the process runtime")
    runtime: str
    started_at: datetime
    ended_at: datetime
    duration_s: float
    cost: Cost


class Card(Frozen):
    """A small JSON file that names what a step made. Written once, last: a card that exists is complete."""

    kind: ClassVar[str]

    made_by: MadeBy
    inputs: dict[str, tuple[InputCard, ...]]
    config: dict[str, Any]

    @property
    def standing_address(self) -> str | None:
        """The key under which this is found outside its run, for the kinds that have one."""
        return None

    def to_bytes(self) -> bytes:
        return json.dumps({"kind": self.kind, **self.model_dump(mode="json")}, indent=1, sort_keys=True).encode()

    @classmethod
    def from_bytes(cls: type[CardT], data: bytes, address: str) -> CardT:
        """Raises BadInputError where the bytes are not a card of this kind."""
        try:
            content = json.loads(data)
            kind = content.pop("kind")
        except (ValueError, AttributeError, KeyError, TypeError):
            raise BadInputError(f"{address}: not a card") from None
        if kind != cls.kind:
            raise BadInputError(f"{address}: got a {kind} card, expected {cls.kind}")
        try:
            return cls.model_validate(content)
        except ValidationError as error:
            first = error.errors()[0]
            raise BadInputError(
                f"{address}: not a valid {cls.kind} card: {'.'.join(map(str, first['loc']))}: {first['msg']}"
            ) from None

    @classmethod
    def load(cls: type[CardT], store: Store, address: str) -> CardT:
        """The card at a key. Raises BadInputError where there is none."""
        try:
            data = store.read(address)
        except FileNotFoundError:
            raise BadInputError(f"{store.url}/{address}: no {cls.kind} card; the step that makes it has not finished") from None
        return cls.from_bytes(data, address)
