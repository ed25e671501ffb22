"""The containers of the team's stack: is each of them up and healthy?"""

from __future__ import annotations

from typing import Any

from cli.doctor.finding import Finding, fail, ok
from cli.home import StackError
from cli.place import Place
from cli.team import app, machine


def check(place: Place) -> list[Finding]:
    """One finding for each that is ill, with the end of its log."""
    if not place.is_team:
        return []
    try:
        found = machine.containers(str(place.project))
    except StackError:
        return []  # engine.py tells
    if not found:
        return [fail("containers", "none of the stack's is there", f"start it: `{place.up}`")]
    ill = [one for one in found if not app.is_well(one)]
    return [_told(one, place) for one in ill] or [ok("containers", f"{len(found)} are well")]


def _told(container: dict[str, Any], place: Place) -> Finding:
    name, state = app.service_of(container), container["State"]
    standing = state.get("Health", {}).get("Status") if state["Running"] else f"{state['Status']} ({state['ExitCode']})"
    return fail("containers", f"{name} is {standing}: {app.last_words(container)}", f"`{place.up}` starts what is not running")
