"""What only Airflow's own Python can tell: is the database's schema the code's, does Apprise take the alert addresses?"""

from __future__ import annotations

import json
from pathlib import Path

from packaging.utils import canonicalize_name

from cli.doctor.definitions import root
from cli.doctor.finding import Finding, fail, ok, warn
from cli.doctor.packages import differences, locks
from cli.home import StackError
from cli.place import Place
from include.definitions import AlertRoute, read_definitions

SCRIPT = Path(__file__).with_name("inside_airflow.py")


def check(place: Place) -> list[Finding]:
    """One start of Python for all of it: seconds."""
    variables = sorted({one.urls_in for _, one in read_definitions(AlertRoute, root(place)) if isinstance(one, AlertRoute)})
    try:
        said = json.loads(place.in_airflow("-", *variables, script=SCRIPT.read_text()).splitlines()[-1])
    except (StackError, ValueError, IndexError) as error:
        return [fail("Airflow's Python", f"cannot be asked: {error}", f"start the stack: `{place.up}`")]
    found = [_schema(said["schema"], place)]
    found += [_alerts(name, *said["alerts"][name]) for name in variables]
    if place.is_team:  # the embedded stack's environments are all looked at: packages.py
        have = {str(canonicalize_name(name)): version for name, version in said["packages"].items()}
        found.append(differences("airflow", have, locks("airflow", said["python"]), "`make up` builds the image again"))
    return found


def _schema(wrong: str, place: Place) -> Finding:
    if not wrong:
        return ok("Airflow's database", "its schema is the code's")
    return fail("Airflow's database", f"its schema is not the code's: {wrong}", f"stop it, then `{place.up}`: that migrates it")


def _alerts(variable: str, good: int, count: int) -> Finding:
    if not count:
        return warn("alerts", f"{variable} is not set: nobody hears of failures", "set it to Apprise URLs (docs/on-call.md)")
    if good < count:
        remedy = f"compare {variable} with https://github.com/caronc/apprise/wiki; a missing token or // is what it mostly is"
        return fail("alerts", f"{count - good} of {count} addresses in {variable} cannot be read", remedy)
    return ok("alerts", f"{count} addresses in {variable} can be read")
