"""The containers of the team's stack: is each of them up and healthy, and is there a worker where tasks go to workers?"""

from __future__ import annotations

from typing import Any

from cli.doctor.finding import Finding, fail, ok, warn
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
    return [*([_told(one, place) for one in ill] or [ok("containers", f"{len(found)} are well")]), *_executor(found)]


def _executor(found: list[dict[str, Any]]) -> list[Finding]:
    """Whether Celery's profile and the scheduler's executor go together: `make up` sees to it, plain compose does not."""
    by_name = {app.service_of(one): one for one in found}
    if "airflow-scheduler" not in by_name:
        return []
    gives_away = "AIRFLOW__CORE__EXECUTOR=CeleryExecutor" in by_name["airflow-scheduler"]["Config"]["Env"]
    if gives_away and "airflow-worker" not in by_name:
        remedy = "put celery into COMPOSE_PROFILES of .env (or take it out, for LocalExecutor), then `make up`"
        return [fail("executor", "the scheduler leaves tasks to Celery, and no airflow-worker is there to run them", remedy)]
    if not gives_away and "airflow-worker" in by_name:
        remedy = "`make up` sets the executor by COMPOSE_PROFILES of .env; if celery is not to be in it, end it: `docker stop`"
        return [warn("executor", "an airflow-worker is there, but the scheduler runs tasks itself", remedy)]
    return [ok("executor", "tasks run in airflow-worker" if gives_away else "tasks run in the scheduler")]


def _told(container: dict[str, Any], place: Place) -> Finding:
    name, state = app.service_of(container), container["State"]
    standing = state.get("Health", {}).get("Status") if state["Running"] else f"{state['Status']} ({state['ExitCode']})"
    return fail("containers", f"{name} is {standing}: {app.last_words(container)}", f"`{place.up}` starts what is not running")
