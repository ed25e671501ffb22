"""The contract of a connector, and where to find the one of a kind of source.

A kind is a package of this one by that name, whose module `connector` has two classes: `Settings`, the section `service` of
include/sources/<name>.yaml, and `Connector`. DAG files import the modules of the kinds in use while they are parsed: heavy
imports belong inside functions.

Connectors are asked by the triggerer (is there anything new?), by ingest_labels (take it in) and by the webhooks (is this call
genuine?). They hold no state: whatever is listed twice, late or out of order, the ledger decides what is taken in.
"""

from __future__ import annotations

import importlib
from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Protocol, runtime_checkable

from pydantic import BaseModel, ConfigDict, Field

if TYPE_CHECKING:
    from include.labelling.items import Item, Labelled, Objection, Picture
    from include.labelling.web import Web

ServiceKind = Literal["cvat", "label_studio", "labelbox", "v7", "superannotate", "sama", "superb_ai", "zillin"]


class ServiceSettings(BaseModel):
    """What every service's section has. A connector's `Settings` adds the project, and what counts as finished."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    url: str = Field(pattern=r"^https?://[^/\s]+(/.*)?$", description="of the service's API, without a slash at the end")
    annotators: tuple[str, ...] | None = Field(
        default=None, description="only what these people drew is finished work, named as the service names them; null: anyone"
    )
    guideline: str | None = Field(
        default=None, description="version of the labelling guideline that holds now: kept with each label"
    )


class Connector(Protocol):
    """Every method may be called again and at any time. Errors of the network are `web`'s; `ConfigError` for what a person must
    change (a wrong token, an unknown project); `Refused` for an item that cannot be read.
    """

    signed: ClassVar[bool]  # whether the service can sign its webhooks

    def __init__(self, settings: Any, web: Web) -> None: ...

    def items(self, since: datetime | None) -> AsyncIterator[Item]:
        """Every item that changed at or after `since` (by the service's clock; None: ever), finished or not, in any order."""
        ...

    async def existing(self) -> frozenset[str] | None:
        """Ids of all items that the service has now: others were deleted. None where it cannot say cheaply."""
        ...

    async def fetch(self, item: Item) -> Labelled:
        """The labels of a finished item. Raises Refused."""
        ...

    async def image(self, picture: Picture) -> bytes:
        """The file. Raises FileNotFoundError where there is none."""
        ...

    @staticmethod
    def is_genuine(secret: bytes, headers: Mapping[str, str], body: bytes) -> bool:
        """Whether a webhook call was made by who knows the secret. Header names are in small letters. Constant time."""
        ...


@runtime_checkable
class GivesBack(Protocol):
    """A connector whose service takes rejected labels back."""

    async def give_back(self, item_id: str, said: Sequence[Objection]) -> str:
        """Tells who drew them, and opens the work again where the service can. What was done, in a few words.

        Asked again with the same objections, it adds nothing.
        """
        ...


def module_of(kind: str) -> Any:
    return importlib.import_module(f"include.labelling.{kind}.connector")


def settings_of(kind: str, section: Mapping[str, Any]) -> ServiceSettings:
    """Raises pydantic's ValidationError."""
    settings: ServiceSettings = module_of(kind).Settings.model_validate(section)
    return settings


def connect(kind: str, section: Mapping[str, Any], web: Web) -> Connector:
    connector: Connector = module_of(kind).Connector(settings_of(kind, section), web)
    return connector
