"""Dashboards and rules ask for numbers that there are; of a whole stack's, tests/end_to_end/test_process_loop.py asks."""

import json
import socket
import subprocess
from pathlib import Path

import pytest
import yaml
from airflow._shared.observability.metrics.metrics_registry import YAML_REGISTRY_PATH
from airflow._shared.observability.metrics.statsd_logger import get_statsd_logger

from include.monitoring.statsd import Statsd
from tests.promql import PROMETHEUS_OWN, expressions, metrics
from visionloop_airflow.statsd_client import StatsdClient

ROOT = Path(__file__).parents[3]
DASHBOARDS = sorted((ROOT / "include/dashboards").glob("*.json"))


@pytest.fixture(scope="module")
def names_of_airflow():
    """What we would show of each number that Airflow's own registry knows, sent by its own code."""
    statsd, known = Statsd(), yaml.safe_load(Path(YAML_REGISTRY_PATH).read_text())["metrics"]
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as listening:
        listening.bind(("127.0.0.1", 0))
        listening.settimeout(5)
        logger = get_statsd_logger(
            stats_class=StatsdClient, host="127.0.0.1", port=listening.getsockname()[1], prefix="airflow",
            influxdb_tags_enabled=True, statsd_influxdb_enabled=True,
        )  # fmt: skip
        for one in known:
            if "{" in one["name"]:
                continue
            tags = dict.fromkeys(one["name_variables"], "x") | {"dag_id": "a"}
            send = {"counter": logger.incr, "gauge": lambda name, tags: logger.gauge(name, 1, tags=tags)}
            send.get(one["type"], lambda name, tags: logger.timing(name, 5.0, tags=tags))(one["name"], tags=tags)
            statsd.hear(listening.recv(2000))
        logger.statsd.close()
    return {sample.name for family in statsd.collect() for sample in family.samples} | {
        "airflow_dagrun_last_end_timestamp_seconds"
    }


@pytest.mark.parametrize("where", expressions())
def test_an_expression_names_numbers_that_airflow_sends(where, names_of_airflow):
    asked = metrics(expressions()[where])
    assert asked
    of_airflow = {name for name in asked if name.startswith("airflow_")}
    assert of_airflow <= names_of_airflow
    assert all(name.startswith(("airflow_", "visionloop_")) or name in PROMETHEUS_OWN for name in asked)


def test_every_expression_is_promql(tmp_path):
    rules = [{"record": f"x{number}", "expr": text} for number, text in enumerate(expressions().values())]
    (tmp_path / "rules.yaml").write_text(json.dumps({"groups": [{"name": "all", "rules": rules}]}))
    done = subprocess.run(["promtool", "check", "rules", tmp_path / "rules.yaml"], capture_output=True, text=True)
    assert f"SUCCESS: {len(rules)} rules found" in done.stdout, done.stderr


@pytest.mark.parametrize("path", DASHBOARDS, ids=lambda path: path.stem)
def test_a_dashboard_is_whole(path):
    board = json.loads(path.read_text())
    sources = yaml.safe_load((ROOT / "include/monitoring/grafana/datasources/prometheus.yaml").read_text())["datasources"]
    panels = [panel for panel in board["panels"] if panel["type"] != "row"]
    assert {panel["datasource"]["uid"] for panel in panels} == {source["uid"] for source in sources}
    assert len({panel["id"] for panel in board["panels"]}) == len(board["panels"])
    assert all(panel["targets"] and panel["title"] for panel in panels)
    taken = {}
    for panel in board["panels"]:
        box = panel["gridPos"]
        for cell in [(x, y) for x in range(box["x"], box["x"] + box["w"]) for y in range(box["y"], box["y"] + box["h"])]:
            assert cell[0] < 24
            assert cell not in taken, f"{panel['title']} lies over {taken[cell]}"
            taken[cell] = panel["title"]
