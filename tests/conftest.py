"""Which environment a test is for: each runs where its code runs, so `pytest tests` in any of them takes just its own."""

from __future__ import annotations

import atexit
import os
import shutil
import sys
import tempfile
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, settings

if TYPE_CHECKING:
    from tests.label_studio_server import Studio

TESTS = Path(__file__).resolve().parent
HERE = Path(sys.prefix).name  # .venv/<environment>

settings.register_profile("busy machine", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("busy machine")

if HERE == "airflow":  # before anything imports it: a home of its own, and no surprises from the caller's settings
    for name in [name for name in os.environ if name.startswith(("AIRFLOW", "VISIONLOOP"))]:
        del os.environ[name]
    os.environ |= {
        "AIRFLOW_HOME": tempfile.mkdtemp(prefix="airflow-"),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__UNIT_TEST_MODE": "True",
        "AIRFLOW__CORE__DAGS_FOLDER": str(TESTS.parent / "dags"),
        "AIRFLOW__CORE__PLUGINS_FOLDER": str(TESTS.parent / "plugins"),
        "AIRFLOW__API__BASE_URL": "http://airflow.example",
    }
    atexit.register(shutil.rmtree, os.environ["AIRFLOW_HOME"], ignore_errors=True)


def environment_of(path: Path) -> str | None:
    """The environment that the tests in a folder need; None where that depends on what is further down."""
    parts = path.relative_to(TESTS).parts
    match parts:
        case ("tasks", step, *_) if (TESTS.parent / "tasks" / step / "step.toml").exists():
            return str(tomllib.loads((TESTS.parent / "tasks" / step / "step.toml").read_text())["image"])
        case ("include", "detector", *_):
            return "torch"
        case ("include", "monitoring", *_):
            return "airflow"
        case ("include", *rest):
            return "data" if rest else None
        case ("dags" | "plugins", *_):
            return "airflow"
        case ("cli" | "project" | "images" | "end_to_end", *_):
            return "cli"
    return None


def pytest_ignore_collect(collection_path: Path) -> bool | None:
    wanted = environment_of(collection_path) if collection_path.is_relative_to(TESTS) else None
    return True if wanted is not None and wanted != HERE else None


@pytest.fixture(scope="session")
def mlflow_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a real MLflow server, one for all tests of a session: give each test a model name of its own."""
    from tests.mlflow_server import start_mlflow

    yield from start_mlflow(tmp_path_factory.mktemp("mlflow"))


@pytest.fixture(scope="session")
def label_studio(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Studio]:
    """A real Label Studio server, one for all tests of a session: give each test a project of its own."""
    from tests.label_studio_server import label_studio

    with label_studio(tmp_path_factory.mktemp("label_studio")) as studio:
        yield studio
