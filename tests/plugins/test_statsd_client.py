"""Airflow's own metrics code, with our client, to a real UDP socket."""

import socket

import pytest
from airflow._shared.observability.metrics.statsd_logger import get_statsd_logger

from visionloop_airflow import statsd_client


@pytest.fixture
def receiver():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as listening:
        listening.bind(("127.0.0.1", 0))
        listening.settimeout(5)
        yield listening


@pytest.fixture
def ours(receiver):
    """Its client looks a name up first when it sends."""
    made = get_statsd_logger(
        stats_class=statsd_client.StatsdClient, host="monitoring", port=receiver.getsockname()[1], prefix="airflow",
        influxdb_tags_enabled=True, statsd_influxdb_enabled=True, statsd_disabled_tags="job_id,run_id",
    )  # fmt: skip
    yield made
    made.statsd.close()


@pytest.fixture
def names(monkeypatch):
    """Names that can be looked up now; the time that the client sees."""
    known, real = {}, socket.getaddrinfo

    def look_up(host, *more, **named):
        if host in known or host == "127.0.0.1":
            return real(known.get(host, host), *more, **named)
        raise socket.gaierror(-2, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    return known


def test_airflow_sends_through_it_with_tags(receiver, ours, names):
    names["monitoring"] = "127.0.0.1"
    ours.incr("ti.finish", tags={"dag_id": "a", "run_id": "r:1", "state": "failed"})
    assert receiver.recv(999) == b"airflow.ti.finish,dag_id=a,state=failed:1|c"


def test_a_receiver_that_comes_later_is_found(receiver, ours, names, monkeypatch):
    now = 1000.0
    monkeypatch.setattr(statsd_client.time, "monotonic", lambda: now)
    ours.incr("lost")  # the stock client raises when it is made, and Airflow gives up for good
    names["monitoring"] = "127.0.0.1"
    ours.incr("lost")  # not looked up at every line
    now += 61
    ours.incr("found")
    assert receiver.recv(999) == b"airflow.found:1|c"


def test_a_receiver_that_moved_is_found_again(receiver, ours, names, monkeypatch):
    now = 1000.0
    monkeypatch.setattr(statsd_client.time, "monotonic", lambda: now)
    names["monitoring"] = "127.0.0.9"
    ours.incr("elsewhere")
    names["monitoring"] = "127.0.0.1"
    now += 61
    ours.incr("here")
    assert receiver.recv(999) == b"airflow.here:1|c"
    del names["monitoring"]  # the name server is away: the last address holds
    now += 61
    ours.incr("again")
    assert receiver.recv(999) == b"airflow.again:1|c"
