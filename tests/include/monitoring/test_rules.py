"""Each alert, with Prometheus' own unit tests: what makes it fire, and what is just not enough. Time begins at 0 there."""

import json
import re
import subprocess
from pathlib import Path

import pytest
import yaml

from include.definitions.alerting import Severity

ROOT = Path(__file__).parents[3]
RULES = ROOT / "include/monitoring/rules.yaml"
ALERTS = {rule["alert"]: rule for group in yaml.safe_load(RULES.read_text())["groups"] for rule in group["rules"]}
HEALTHY = 'visionloop_airflow_component_healthy{component="%s"}'
ENDED = 'airflow_dagrun_last_end_timestamp_seconds{dag_id="%s",state="%s",instance="i"}'
UP = 'visionloop_up{service="%s"}'

# alert, series with a value a minute, minute, labels it fires with (None: it does not)
CASES = {
    "the api-server is down": ("AirflowDown", {UP % "airflow": "1 0x9"}, 4, {"service": "airflow"}),
    "the api-server restarts": ("AirflowDown", {UP % "airflow": "1 0 0 1x9"}, 4, None),
    "another service is down": ("AirflowDown", {UP % "mlflow": "0x9"}, 9, None),
    "the scheduler is gone": ("SchedulerGone", {HEALTHY % "scheduler": "1 0x9"}, 4, {"component": "scheduler"}),
    "the scheduler is back": ("SchedulerGone", {HEALTHY % "scheduler": "1 0x4 1x9"}, 7, None),
    "the triggerer is gone": ("TriggererGone", {HEALTHY % "triggerer": "0x9"}, 4, {"component": "triggerer"}),
    "the triggerer is there": ("TriggererGone", {HEALTHY % "triggerer": "1x9", HEALTHY % "scheduler": "0x9"}, 9, None),
    "the dag processor is gone": ("DagProcessorGone", {HEALTHY % "dag_processor": "0x9"}, 4, {"component": "dag_processor"}),
    "the dag processor is there": ("DagProcessorGone", {HEALTHY % "dag_processor": "1x9"}, 4, None),
    "the database is gone": ("MetadataDatabaseGone", {HEALTHY % "metadatabase": "0x9"}, 4, {"component": "metadatabase"}),
    "the database is there": ("MetadataDatabaseGone", {HEALTHY % "metadatabase": "1x9"}, 4, None),
    "no statsd comes": (
        "AirflowSilent", {"visionloop_statsd_heard_timestamp_seconds": "60x20", UP % "airflow": "1x20"}, 15, {},
    ),
    "statsd comes": (
        "AirflowSilent", {"visionloop_statsd_heard_timestamp_seconds": "0+60x20", UP % "airflow": "1x20"}, 20, None,
    ),
    "no statsd of an Airflow that is down": (
        "AirflowSilent", {"visionloop_statsd_heard_timestamp_seconds": "60x20", UP % "airflow": "0x20"}, 20, None,
    ),
    "a file does not load": ("DagsBroken", {"airflow_dag_processing_import_errors": "0 2x20"}, 15, {}),
    "all files load": ("DagsBroken", {"airflow_dag_processing_import_errors": "0x20"}, 15, None),
    "no labels for an hour of one": (
        "LabelsQuiet",
        {
            'visionloop_source_last_intake_timestamp_seconds{source="a"}': "0x100",
            'visionloop_source_quiet_after_seconds{source="a"}': "3600x100",
            'visionloop_source_last_intake_timestamp_seconds{source="b"}': "0x50 3000x50",
            'visionloop_source_quiet_after_seconds{source="b"}': "3600x100",
        },
        75, {"source": "a"},
    ),
    "a source that may be quiet": (
        "LabelsQuiet", {'visionloop_source_last_intake_timestamp_seconds{source="a"}': "0x100"}, 100, None,
    ),
    "finished labels wait 3 h 20 min": (
        "LabelsStuck",
        {
            'visionloop_source_oldest_pending_timestamp_seconds{source="a"}': "0x300",
            'visionloop_source_max_wait_seconds{source="a"}': "3600x300",
        },
        200, {"source": "a"},
    ),
    "finished labels wait 2 h 50 min": (
        "LabelsStuck",
        {
            'visionloop_source_oldest_pending_timestamp_seconds{source="a"}': "0x300",
            'visionloop_source_max_wait_seconds{source="a"}': "3600x300",
        },
        170, None,
    ),
    "the first retraining failed": (
        "RetrainingFailed", {ENDED % ("model__a", "failed"): "_ 60x20"}, 10, {"dag_id": "model__a", "model": "a"},
    ),
    "a retraining failed after a good one": (
        "RetrainingFailed",
        {ENDED % ("model__a", "success"): "30x20", ENDED % ("model__a", "failed"): "_ 60x20"},
        10, {"dag_id": "model__a", "model": "a"},
    ),
    "a failed retraining was mended": (
        "RetrainingFailed", {ENDED % ("model__a", "failed"): "60x40", ENDED % ("model__a", "success"): "_ _ 120x38"}, 20, None,
    ),
    "another DAG failed": ("RetrainingFailed", {ENDED % ("labels__a", "failed"): "60x20"}, 10, None),
    "no decision since the last nightly start": (
        "RetrainingMissing",
        {
            'visionloop_model_last_decision_timestamp_seconds{model="a"}': "100x40",
            'visionloop_model_retraining_due_timestamp_seconds{model="a"}': "90x5 200x35",
        },
        25, {"model": "a"},
    ),
    "a decision since": (
        "RetrainingMissing",
        {
            'visionloop_model_last_decision_timestamp_seconds{model="a"}': "100x5 300x35",
            'visionloop_model_retraining_due_timestamp_seconds{model="a"}': "200x40",
        },
        25, None,
    ),
    "a model that never had a decision": (
        "RetrainingMissing", {'visionloop_model_retraining_due_timestamp_seconds{model="a"}': "200x40"}, 25, None,
    ),
    "the store is down": ("StoreUnreachable", {UP % "store": "0x9"}, 4, {"service": "store"}),
    "the store is up": ("StoreUnreachable", {UP % "store": "1x9"}, 4, None),
    "mlflow is down": ("MlflowDown", {UP % "mlflow": "0x9"}, 6, {"service": "mlflow"}),
    "mlflow was down for 4 minutes": ("MlflowDown", {UP % "mlflow": "0x3 1x9"}, 7, None),
    "the look at the store hangs": ("StoreNotRead", {"visionloop_store_looked_at_timestamp_seconds": "0x30"}, 16, {}),
    "the store was read": ("StoreNotRead", {"visionloop_store_looked_at_timestamp_seconds": "0+60x30"}, 20, None),
    "a card cannot be read": ("CardsUnreadable", {"visionloop_unread": "1x20"}, 12, {}),
    "a card was mended": ("CardsUnreadable", {"visionloop_unread": "1x5 0x20"}, 12, None),
    "9% of the disk left": (
        "DiskFilling", {"visionloop_disk_free_bytes": "9x20", "visionloop_disk_size_bytes": "100x20"}, 12, {},
    ),
    "11% of the disk left": (
        "DiskFilling", {"visionloop_disk_free_bytes": "11x20", "visionloop_disk_size_bytes": "100x20"}, 12, None,
    ),
    "2% of the disk left": ("DiskFull", {"visionloop_disk_free_bytes": "2x20", "visionloop_disk_size_bytes": "100x20"}, 1, {}),
    "4% of the disk left": ("DiskFull", {"visionloop_disk_free_bytes": "4x20", "visionloop_disk_size_bytes": "100x20"}, 9, None),
    "an alert waits for 20 minutes": ("AlertsStuck", {"visionloop_alerts_oldest_waiting_timestamp_seconds": "0x40"}, 21, {}),
    "an alert waits for 10 minutes": ("AlertsStuck", {"visionloop_alerts_oldest_waiting_timestamp_seconds": "0x40"}, 10, None),
    "one more given up": ("AlertsGivenUp", {"visionloop_alerts_given_up": "1x1440 2x10"}, 1445, {}),
    "none given up since yesterday": ("AlertsGivenUp", {"visionloop_alerts_given_up": "2x1450"}, 1445, None),
    "an address that is none": ("AlertRoutesBroken", {"visionloop_alert_route_problems": "1x9"}, 6, {}),
    "routes are right": ("AlertRoutesBroken", {"visionloop_alert_route_problems": "0x9"}, 6, None),
    "monitoring is down": ("MonitoringGone", {'up{job="monitoring"}': "0x9"}, 4, {"job": "monitoring"}),
    "monitoring was never there": ("MonitoringGone", {'up{job="prometheus"}': "1x9"}, 4, {"job": "monitoring"}),
    "monitoring is up": ("MonitoringGone", {'up{job="monitoring"}': "1x9"}, 4, None),
    "whatever happens": ("Watchdog", {"anything": "1x9"}, 1, {}),
}  # fmt: skip


def promtool(*words):
    return subprocess.run(["promtool", *map(str, words)], capture_output=True, text=True)


@pytest.mark.parametrize(("alert", "series", "minute", "labels"), CASES.values(), ids=CASES)
def test_an_alert_fires_when_it_should(tmp_path, alert, series, minute, labels):
    fires = {"alertname": alert, "alertstate": "firing", "severity": ALERTS[alert]["labels"]["severity"]} | (labels or {})
    said = ",".join(f'{name}="{value}"' for name, value in fires.items())
    samples = [] if labels is None else [{"labels": f"ALERTS{{{said}}}", "value": 1}]
    expected = {"expr": f'ALERTS{{alertname="{alert}",alertstate="firing"}}', "eval_time": f"{minute}m", "exp_samples": samples}
    inputs = [{"series": name, "values": values} for name, values in series.items()]
    test = {"interval": "1m", "input_series": inputs, "promql_expr_test": [expected]}
    case = tmp_path / "case.yaml"
    case.write_text(json.dumps({"rule_files": [str(RULES)], "evaluation_interval": "1m", "tests": [test]}))
    done = promtool("test", "rules", case)
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_alert_has_a_case_that_fires_and_one_that_does_not():
    fires = {alert for alert, _, _, labels in CASES.values() if labels is not None}
    quiet = {alert for alert, _, _, labels in CASES.values() if labels is None}
    assert fires == set(ALERTS)
    assert quiet == set(ALERTS) - {"Watchdog"}


@pytest.mark.parametrize("alert", ALERTS)
def test_an_alert_has_severity_summary_and_a_place_in_the_runbook(alert):
    rule = ALERTS[alert]
    assert rule["labels"]["severity"] in Severity.__args__
    assert set(rule["annotations"]) == {"summary", "description", "runbook"}
    headings = re.findall(r"^### (\w+)$", (ROOT / "docs/on-call.md").read_text(), re.MULTILINE)
    assert rule["annotations"]["runbook"] in headings


@pytest.mark.parametrize(
    "command",
    [("promtool", "check", "config", "prometheus.yaml"), ("amtool", "check-config", "alertmanager.yaml")],
    ids=["prometheus", "alertmanager"],
)
def test_a_configuration_is_what_its_server_expects(command):
    done = subprocess.run(command, cwd=RULES.parent, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
