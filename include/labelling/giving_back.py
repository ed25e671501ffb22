"""Telling a labelling service what is wrong with its labels: what the steps that do so share."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

from include.artifacts import Returned
from include.errors import ConfigError
from include.labelling.connector import GivesBack, connect
from include.labelling.items import Objection
from include.labelling.sources import web_for


def tell(
    step: str, source: str, kind: str, service: Mapping[str, Any], said: Mapping[str, Sequence[Objection]]
) -> list[Returned]:
    """`said`: by item. Asked again, it adds nothing. Raises ConfigError where the service takes nothing back."""
    return asyncio.run(_tell(step, source, kind, service, said))


async def _tell(
    step: str, source: str, kind: str, service: Mapping[str, Any], said: Mapping[str, Sequence[Objection]]
) -> list[Returned]:
    async with web_for(source, service) as web:
        connector = connect(kind, service, web)
        if not isinstance(connector, GivesBack):
            raise ConfigError(f"source {source}: {kind} takes no labels back; take {step} out of its definition")
        return [
            Returned(item=item, objections=len(some), answer=await connector.give_back(item, some)) for item, some in said.items()
        ]
