"""MLflow and Airflow: do they answer, let us in, and have the version that is locked? Do all DAGs load?"""

from __future__ import annotations

import re
from pathlib import Path

import httpx

from cli.doctor import clock
from cli.doctor.finding import Finding, fail, ok, warn
from cli.home import ROOT, Home
from cli.place import Place

PATIENCE_S = 20.0
PARTS = ("metadatabase", "scheduler", "dag_processor", "triggerer")
SHOWN = 5


def locked(package: str, image: str, root: Path = ROOT) -> str:
    """The version of a package in an image's lock."""
    text = (root / "images" / image / "requirements.lock").read_text()
    found = re.search(rf"^{re.escape(package)}==([^\s;\\]+)", text, re.MULTILINE)
    return found[1] if found else "none"


def _version(name: str, running: str, wanted: str) -> Finding:
    if running == wanted:
        return ok(f"{name} version", running)
    return warn(
        f"{name} version", f"runs {running}, locked is {wanted}", "install what is locked: `make setup`, then start it again"
    )


def mlflow(place: Place) -> list[Finding]:
    """With the login that steps use, where there is one."""
    user, password = (place.settings.get(f"MLFLOW_TRACKING_{one}", "") for one in ("USERNAME", "PASSWORD"))
    token = place.settings.get("MLFLOW_TRACKING_TOKEN")
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    try:
        with httpx.Client(
            base_url=place.mlflow_url, timeout=PATIENCE_S, auth=(user, password) if user else None, headers=headers
        ) as client:
            health = client.get("/health")
            asked = client.post("/api/2.0/mlflow/experiments/search", json={"max_results": 1})
            version = client.get("/version").text.strip()
    except httpx.HTTPError as error:
        remedy = f"start it (`{place.up}`), or set MLFLOW_TRACKING_URI to where it is"
        return [fail("MLflow", f"{place.mlflow_url} does not answer ({error})", remedy)]
    if asked.status_code in (401, 403):
        remedy = "set MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD, or MLFLOW_TRACKING_TOKEN, to a login that it knows"
        return [fail("MLflow", f"{place.mlflow_url} refuses the login that steps use ({asked.status_code})", remedy)]
    if health.is_error or asked.is_error:
        said = asked.text[:200] or health.text[:200]
        return [fail("MLflow", f"{place.mlflow_url} answers {asked.status_code}: {said}", "see its log; is its database there?")]
    return [ok("MLflow", f"{place.mlflow_url} answers"), _version("MLflow", version, locked("mlflow", "mlflow"))]


def airflow(place: Place) -> list[Finding]:
    """Health of each component, login, version, DAG files that do not load."""
    try:
        with httpx.Client(base_url=place.airflow_url, timeout=PATIENCE_S) as client:
            answer = client.get("/api/v2/monitor/health")
            health = answer.json()
            version = client.get("/api/v2/version").json()["version"]
            login = client.post("/auth/token", json={"username": "admin", "password": place.password})
            found = [*_parts(place, health), *clock.compare("Airflow", answer.headers)]
            found.append(_version("Airflow", version, locked("apache-airflow", "airflow")))
            if login.is_error:
                remedy = (
                    f"its password is {'VISIONLOOP_PASSWORD of .env' if place.is_team else 'in stack.json'}; `{place.up}` sets it"
                )
                return [*found, fail("login", f"Airflow refuses the user admin ({login.status_code})", remedy)]
            client.headers["Authorization"] = f"Bearer {login.json()['access_token']}"
            return [*found, ok("login", "Airflow lets the user admin in"), *_import_errors(client)]
    except (httpx.HTTPError, ValueError, KeyError) as error:
        remedy = f"start it (`{place.up}`); its port and log: `./visionloop status`"
        return [fail("Airflow", f"{place.airflow_url} does not answer as Airflow does ({error})", remedy)]


def _parts(place: Place, health: dict[str, dict[str, str]]) -> list[Finding]:
    ill = {part: health.get(part, {}).get("status") or "missing" for part in PARTS}
    ill = {part: status for part, status in ill.items() if status != "healthy"}
    if not ill:
        return [ok("Airflow", f"{place.airflow_url} answers; {', '.join(PARTS)} are healthy")]
    return [
        fail("Airflow", f"the {part} is {status}", f"see its log; `{place.up}` starts what is not running")
        for part, status in ill.items()
    ]


def _import_errors(client: httpx.Client) -> list[Finding]:
    answer = client.get("/api/v2/importErrors").raise_for_status().json()
    errors = [(one["filename"], one["stack_trace"].strip().splitlines()[-1]) for one in answer["import_errors"]]
    if not errors:
        return [ok("DAGs", "every DAG file loads")]
    rest = f"; and {len(errors) - SHOWN} more" if len(errors) > SHOWN else ""
    said = "; ".join(f"{file}: {line}" for file, line in errors[:SHOWN])
    return [
        fail("DAGs", f"{len(errors)} do not load: {said}{rest}", "mend the file that is named; it is read again within a minute")
    ]


def monitoring(place: Place) -> list[Finding]:
    """The embedded stack's; the team's is a container."""
    if place.is_team:
        return []
    url = f"http://127.0.0.1:{Home(place.folder).stack().ports.get('monitoring', 0)}/healthz"
    try:
        answer = httpx.get(url, timeout=PATIENCE_S)
    except httpx.HTTPError as error:
        return [
            fail(
                "monitoring",
                f"{url} does not answer ({error})",
                f"start it (`{place.up}`): it tells when Airflow is down",
            )
        ]
    if answer.is_error:
        return [fail("monitoring", f"{url} answers {answer.status_code}: {answer.text[:200]}", "see monitoring.log of the stack")]
    return [ok("monitoring", f"{url} answers")]
