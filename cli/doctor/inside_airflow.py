"""Run by doctor with the Python of Airflow, where Airflow runs; prints JSON. Its environment is that of the components.

schema     what is wrong with the database's schema; empty: it is the code's
alerts     variable of include/alerting → how many of its URLs Apprise takes, and how many there are
packages   name → version, of everything that is installed there
"""

from __future__ import annotations

import importlib
import importlib.metadata
import json
import os
import platform
import sys
from typing import Any


def schema() -> str:
    database: Any = importlib.import_module("airflow.utils.db")
    try:
        database.check_migrations(0)
    except Exception as error:  # whatever it is, is told
        return str(error).strip().splitlines()[0] or type(error).__name__
    return ""


def alerts(variables: list[str]) -> dict[str, list[int]]:
    apprise: Any = importlib.import_module("apprise")
    found = {name: os.environ.get(name, "").split() for name in variables}
    return {name: [sum(bool(apprise.Apprise().add(url)) for url in urls), len(urls)] for name, urls in found.items()}


def main() -> None:
    said = {
        "schema": schema(),
        "alerts": alerts(sys.argv[1:]),
        "python": platform.python_version(),
        "packages": {one.name: one.version for one in importlib.metadata.distributions()},
    }
    sys.stdout.write("\n" + json.dumps(said) + "\n")


if __name__ == "__main__":
    main()
