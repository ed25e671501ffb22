"""All checks at once, and their lines in order."""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict

from cli.doctor import airflow_inside, containers, definitions, engine, packages, room, servers, store
from cli.doctor.finding import Finding, fail
from cli.home import say
from cli.place import Place, chosen

Check = Callable[[Place], list[Finding]]
CHECKS: Sequence[Check] = (
    store.check, servers.mlflow, servers.airflow, servers.monitoring, airflow_inside.check, definitions.parse,
    definitions.services, engine.check, containers.check, packages.check, room.disk, room.memory, room.ports, room.leftovers,
)  # fmt: skip
SEEN_BY_CLIENTS = ("VISIONLOOP_STORE", "AWS_", "MLFLOW_TRACKING_")


def examine(place: Place, checks: Sequence[Check] = CHECKS) -> list[Finding]:
    """What they find, in their order. A check that breaks says so: the others go on."""
    os.environ.update({name: value for name, value in place.settings.items() if name.startswith(SEEN_BY_CLIENTS)})

    def run(check: Check) -> list[Finding]:
        try:
            return check(place)
        except Exception as error:
            name = f"{check.__module__}.{check.__name__}".removeprefix("cli.doctor.")
            return [fail(name, f"the check itself broke: {type(error).__name__}: {error}", "a bug in doctor: report it")]

    with ThreadPoolExecutor(len(checks)) as threads:
        return [finding for found in threads.map(run, checks) for finding in found]


def show(place: Place, found: Sequence[Finding]) -> None:
    """A line each, its remedy below."""
    say(place.name)
    width = max(len(one.check) for one in found)
    for one in found:
        say(f"  {one.state.upper() if one.state == 'fail' else one.state:<5} {one.check:<{width}}  {one.found}")
        if one.remedy:
            say(f"  {'':<5} {'':<{width}}  → {one.remedy}")
    counts = Counter(one.state for one in found)
    say(f"{counts['fail']} failures, {counts['warn']} warnings, {counts['ok']} as they should be")


def doctor(which: str | None, *, as_json: bool) -> bool:
    """True if nothing failed."""
    place = chosen(which)
    found = examine(place)
    if as_json:
        say(json.dumps({"stack": place.name, "findings": [asdict(one) for one in found]}, indent=1))
    else:
        show(place, found)
    return all(one.state != "fail" for one in found)
