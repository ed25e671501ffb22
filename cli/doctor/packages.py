"""Whether what is installed is what is locked."""

from __future__ import annotations

import importlib.metadata
import platform
import re
from collections.abc import Mapping
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from cli.doctor.finding import Finding, ok, warn
from cli.home import ROOT, Home
from cli.place import Place

ENVIRONMENTS = ("airflow", "data", "torch", "mlflow", "cli")
SHOWN = 4


def locks(image: str, python: str = platform.python_version(), root: Path = ROOT) -> dict[str, str]:
    """Name → version, of what is for Linux and this Python: a lock serves others, too."""
    text = (root / "images" / image / "requirements.lock").read_text()
    wanted = list(map(Requirement, re.findall(r"^([A-Za-z0-9._-]+==[^\\\n]+)", text, re.MULTILINE)))
    here = {"python_version": ".".join(python.split(".")[:2]), "python_full_version": python}
    wanted = [one for one in wanted if one.marker is None or one.marker.evaluate(here)]
    return {canonicalize_name(one.name): next(iter(one.specifier)).version for one in wanted}


def installed(venv: Path) -> dict[str, str]:
    """Name → version, of a virtual environment; nothing where there is none."""
    folders = [str(path) for path in venv.glob("lib/python3*/site-packages")]
    return {canonicalize_name(one.name): one.version for one in importlib.metadata.distributions(path=folders)}


def differences(image: str, have: Mapping[str, str], want: Mapping[str, str], remedy: str) -> Finding:
    """More than is locked may be installed (for tests); a build's local part (+cpu) is this machine's matter."""
    wrong = {
        name: (have.get(name, "not there"), version)
        for name, version in want.items()
        if have.get(name, "not there").partition("+")[0] != version.partition("+")[0]
    }
    if not wrong:
        return ok(f"packages {image}", f"{len(want)} as locked")
    said = ", ".join(f"{name} {got} (locked: {version})" for name, (got, version) in list(wrong.items())[:SHOWN])
    return warn(f"packages {image}", f"{len(wrong)} are not as locked: {said}{' …' if len(wrong) > SHOWN else ''}", remedy)


def check(place: Place) -> list[Finding]:
    """Of the environments on this machine; the team's stack has its packages in images."""
    if place.is_team:
        return []
    venvs = Home(place.folder).venvs
    return [
        differences(name, installed(venvs / name), locks(name), "`make setup` installs what is locked") for name in ENVIRONMENTS
    ]
