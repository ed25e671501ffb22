import time

import pytest
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from include.monitoring import statsd


@pytest.fixture
def airflow():
    return statsd.Statsd()


def shown(collector):
    """As a scrape has it: sample name and labels to value, read back by the client library's own parser."""
    registry = CollectorRegistry()
    registry.register(collector)
    return {
        (sample.name, *(f"{name}={value}" for name, value in sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(generate_latest(registry).decode())
        for sample in family.samples
    }


def test_counts_of_many_processes_are_added_up_by_tags(airflow):
    for packet in (b"airflow.ti.finish,dag_id=a,state=failed:1|c", b"airflow.ti.finish,state=failed,dag_id=a:2|c\n"):
        airflow.hear(packet)
    airflow.hear(b"airflow.ti.finish,dag_id=b,state=success:1|c\nairflow.scheduler_heartbeat:1|c")
    found = shown(airflow)
    assert found["airflow_ti_finish_total", "dag_id=a", "state=failed"] == 3
    assert found["airflow_ti_finish_total", "dag_id=b", "state=success"] == 1
    assert found["airflow_scheduler_heartbeat_total",] == 1


def test_milliseconds_become_seconds_and_a_count(airflow):
    airflow.hear(b"airflow.task.duration,dag_id=a:1500.500000|ms\nairflow.task.duration,dag_id=a:499.5|ms")
    found = shown(airflow)
    assert found["airflow_task_duration_seconds_sum", "dag_id=a"] == 2.0
    assert found["airflow_task_duration_seconds_count", "dag_id=a"] == 2


def test_of_what_is_sampled_each_line_stands_for_several_and_a_gauge_for_itself(airflow):
    airflow.hear(b"airflow.hits:3|c|@0.5\nairflow.look,dag_id=a:100|ms|@0.1\nairflow.cache_size:3|g|@0.1")
    found = shown(airflow)
    assert found["airflow_hits_total",] == 6
    assert found["airflow_look_seconds_sum", "dag_id=a"] == 1.0
    assert found["airflow_look_seconds_count", "dag_id=a"] == 10
    assert found["airflow_cache_size",] == 3
    assert found["visionloop_statsd_lines_dropped_total",] == 0


@pytest.mark.parametrize(
    ("lines", "value"),
    [("5|g", 5), ("5|g 3|g", 3), ("5|g +2|g", 7), ("5|g -2|g", 3), ("9|g 0|g -3|g", -3)],
    ids=["set", "set again", "more", "less", "below zero, as the client sends it"],
)
def test_a_gauge_is_set_or_moved(airflow, lines, value):
    for line in lines.split():
        airflow.hear(f"airflow.pool.open_slots,pool_name=gpu:{line}".encode())
    assert shown(airflow)["airflow_pool_open_slots", "pool_name=gpu"] == value


def test_a_gauge_that_nobody_sends_any_more_is_gone_and_a_counter_stays(airflow):
    long_ago = time.time() - 301
    airflow.hear(b"airflow.triggers.running,hostname=x:7|g\nairflow.triggers.failed:1|c", long_ago)
    airflow.hear(b"airflow.triggers.running,hostname=y:8|g", time.time() - 299)
    found = shown(airflow)
    assert ("airflow_triggers_running", "hostname=x") not in found
    assert found["airflow_triggers_running", "hostname=y"] == 8
    assert found["airflow_triggers_failed_total",] == 1


def test_the_end_of_a_run_is_a_time_so_that_the_first_failure_counts(airflow):
    airflow.hear(b"airflow.dagrun.duration.success,dag_id=model__a,run_type=manual:9|ms", 100)
    airflow.hear(b"airflow.dagrun.duration.failed,dag_id=model__a,run_type=scheduled:9|ms", 200)
    found = shown(airflow)
    assert found["airflow_dagrun_last_end_timestamp_seconds", "dag_id=model__a", "state=success"] == 100
    assert found["airflow_dagrun_last_end_timestamp_seconds", "dag_id=model__a", "state=failed"] == 200
    assert found["visionloop_statsd_heard_timestamp_seconds",] == 200


@pytest.mark.parametrize(
    "line",
    [b"no colon", b"a:1", b"a:x|c", b"a:1|z", b"a,b:1|c", b"a:1e|g", b"\xff\xfe:1|c", b":1|c", b"1a:1|c"],
    ids=repr,
)
def test_what_is_no_statsd_is_dropped_and_counted(airflow, line):
    airflow.hear(line + b"\nairflow.ok:1|c")
    found = shown(airflow)
    assert found["airflow_ok_total",] == 1
    assert found["visionloop_statsd_lines_dropped_total",] == 1


def test_names_without_end_do_not_fill_the_memory(airflow, monkeypatch):
    monkeypatch.setattr(statsd, "MOST_SERIES", 3)
    for number in range(5):
        airflow.hear(f"airflow.x,n={number}:1|c".encode())
    airflow.hear(b"airflow.x,n=0:1|c")
    found = shown(airflow)
    assert found["airflow_x_total", "n=0"] == 2
    assert found["visionloop_statsd_lines_dropped_total",] == 2
    assert len([name for name in found if name[0] == "airflow_x_total"]) == 3


def test_a_label_may_hold_what_prometheus_must_escape(airflow):
    airflow.hear('airflow.x,path=a"b\\c é:1|c'.encode())
    assert shown(airflow)["airflow_x_total", 'path=a"b\\c é'] == 1


def test_what_goes_down_is_no_counter(airflow):
    airflow.hear(b"airflow.dag_processing.processes,action=start:1|c\nairflow.dag_processing.processes,action=start:-1|c")
    assert shown(airflow)["airflow_dag_processing_processes_total", "action=start"] == 1
