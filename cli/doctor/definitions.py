"""The team's YAML: does it parse, and do the labelling services that it names let us in?"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from cli.doctor.finding import Finding, fail, ok, warn
from cli.place import Place
from include.definitions import (
    AlertRoute,
    DatasetDefinition,
    ExpectationSuite,
    ModelDefinition,
    SourceDefinition,
    read_definitions,
)
from include.definitions.files import definitions_root
from include.errors import ConfigError, StepError
from include.labelling.connector import connect
from include.labelling.sources import TOKEN, of_source, web_for

KINDS = (SourceDefinition, DatasetDefinition, ModelDefinition, AlertRoute, ExpectationSuite)
PATIENCE_S = 5.0


def root(place: Place) -> Path:
    return Path(place.settings.get("VISIONLOOP_DEFINITIONS") or definitions_root())


def parse(place: Place) -> list[Finding]:
    """One finding for each file that is wrong."""
    read = [found for kind in KINDS for _, found in read_definitions(kind, root(place))]
    broken = [one for one in read if isinstance(one, ConfigError)]
    if broken:
        return [fail("definitions", str(one), "mend the file") for one in broken]
    return [ok("definitions", f"{len(read)} files in {root(place)} are well")]


def services(place: Place) -> list[Finding]:
    """Of each source that is a service, by its own connector: what the triggerer asks, too."""
    found = [one for _, one in read_definitions(SourceDefinition, root(place)) if isinstance(one, SourceDefinition)]
    return [finding for one in found if one.is_service for finding in _service(place, one)]


def _service(place: Place, source: SourceDefinition) -> Iterator[Finding]:
    own, name = of_source(TOKEN, source.name), f"source {source.name}"
    token = place.settings.get(own) or place.settings.get(TOKEN)
    if not token:
        yield fail(name, f"no token for its {source.kind} service", f"set {own} where the stack is started, and start it again")
        return
    os.environ[own] = token  # where a connector looks for it
    assert source.service is not None
    url = source.service["url"]
    try:
        asyncio.run(_first_item(source))
    except ConfigError as error:
        yield fail(name, str(error), f"set {own} to a token that {url} knows, or mend the section service of the source")
    except (StepError, OSError) as error:
        remedy = "see whether the service is up (an address of the stack's own network is not seen from here)"
        yield (warn if place.is_team else fail)(name, f"{url}: {error}", remedy)
    else:
        yield ok(name, f"{url} takes its token")


async def _first_item(source: SourceDefinition) -> None:
    """Any answer to a question that needs the token."""
    assert source.service is not None
    async with web_for(source.name, source.service, patience_s=PATIENCE_S) as web:
        async for _ in connect(source.kind, source.service, web).items(datetime.now(UTC)):
            return
