import logging
import time

import pytest
from prometheus_client import CollectorRegistry

from include.monitoring import alerts
from include.monitoring.relay import Relay
from tests.receiver import chat

DEFINITIONS = {
    "sources/cells.yaml": "owner: us\nkind: coco\nprefix: inbox/cells\n",
    "datasets/cells.yaml": "owner: us\nsources: [cells]\nclasses: [cell]\n",
    "models/cells.yaml": "owner: us\ndataset: cells\n",
    "models/leaves.yaml": "owner: us\ndataset: leaves\n",
    "alerting/oncall.yaml": "owner: us\nurls_in: VISIONLOOP_ALERT_URLS\n",
}


@pytest.fixture
def define(tmp_path, monkeypatch):
    def write(**routes):
        for name, text in (DEFINITIONS | {f"alerting/{name}.yaml": text for name, text in routes.items()}).items():
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)

    monkeypatch.setenv("VISIONLOOP_DEFINITIONS", str(tmp_path))
    write()
    return write


@pytest.fixture
def room(define, monkeypatch):
    with chat() as room:
        monkeypatch.setenv("VISIONLOOP_ALERT_URLS", room.url)
        yield room


@pytest.fixture
def registry():
    return CollectorRegistry()


@pytest.fixture
def relay(registry):
    return Relay(registry)


def one(alertname="LabelsQuiet", status="firing", **labels):
    """As Alertmanager 0.25 writes it."""
    annotations = {"summary": f"{alertname} of {labels.get('source', 'it')}", "description": "Ask.", "runbook": "labels_quiet"}
    return {
        "status": status, "labels": {"alertname": alertname, "severity": "warning"} | labels, "annotations": annotations,
        "startsAt": "2026-01-02T02:13:55.123Z", "endsAt": "0001-01-01T00:00:00Z", "fingerprint": "1", "generatorURL": "",
    }  # fmt: skip


def message(*several):
    return {"version": "4", "status": "firing", "receiver": "people", "alerts": list(several)}


def test_a_message_says_what_since_when_and_what_to_do(relay, room):
    assert relay.take(message(one(source="cells")))
    (told,) = room.told
    assert told["title"] == "[warning] LabelsQuiet of cells"
    assert told["message"].splitlines() == [
        "LabelsQuiet of cells (since 2026-01-02 02:13 UTC)",
        "Ask.",
        "",
        "What to do: docs/on-call.md#labels_quiet",
    ]


def test_a_group_is_one_message_with_what_fires_first(relay, room, monkeypatch):
    monkeypatch.setenv("VISIONLOOP_RUNBOOK_URL", "https://wiki.example/on-call")
    relay.take(message(one(source="old", status="resolved"), one(source="cells"), one(source="new")))
    (told,) = room.told
    assert told["title"] == "[warning] LabelsQuiet of cells, and 1 more"
    assert told["message"].splitlines()[0] == "Over: LabelsQuiet of old (since 2026-01-02 02:13 UTC)"
    assert told["message"].splitlines()[-1] == "What to do: https://wiki.example/on-call#labels_quiet"


def test_what_is_over_is_said(relay, room):
    relay.take(message(one(source="cells", status="resolved")))
    assert room.told[0]["title"] == "[warning] over: LabelsQuiet of cells"
    assert "What to do" not in room.told[0]["message"]


@pytest.mark.parametrize(
    ("labels", "told"),
    [
        ({"model": "leaves"}, 1),
        ({"model": "cells"}, 0),
        ({"source": "cells"}, 0),
        ({"component": "scheduler"}, 1),
    ],
    ids=["its model", "another model", "a source of another model", "the whole stack"],
)
def test_a_route_for_a_model_hears_what_concerns_it(relay, room, define, labels, told):
    define(oncall=DEFINITIONS["alerting/oncall.yaml"] + "models: [leaves]\n")
    assert relay.take(message(one(**labels)))
    assert len(room.told) == told


def test_a_severity_that_we_do_not_know_is_told_to_who_hears_of_errors(relay, room, define):
    define(oncall=DEFINITIONS["alerting/oncall.yaml"] + "severities: [error]\n")
    assert relay.take(message(one(severity="page")))
    assert room.told[0]["title"].startswith("[error] ")


def test_a_chat_that_is_down_makes_alertmanager_come_again(relay, room, registry):
    room.answers = 503
    assert not relay.take(message(one()))
    room.answers = 200
    assert relay.take(message(one()))
    assert len(room.told) == 1
    assert registry.get_sample_value("visionloop_alerts_relayed_total", {"outcome": "not told"}) == 1
    assert registry.get_sample_value("visionloop_alerts_relayed_total", {"outcome": "told"}) == 1


def test_a_watchdog_is_told_to_nobody_and_passed_on(relay, room, monkeypatch, registry):
    began = time.time()
    monkeypatch.setenv("VISIONLOOP_WATCHDOG_URL", room.url.replace("json:", "http:"))
    assert relay.take(message(one("Watchdog")))  # the room answers 501 to a GET: no reason to fail
    assert room.told == []
    assert registry.get_sample_value("visionloop_watchdog_heard_timestamp_seconds") >= began


def test_a_switch_elsewhere_that_is_down_is_logged_without_its_address(relay, room, monkeypatch, caplog):
    monkeypatch.setenv("VISIONLOOP_WATCHDOG_URL", "http://127.0.0.1:1/secret")
    with caplog.at_level(logging.INFO):
        assert relay.take(message(one("Watchdog")))
    assert "VISIONLOOP_WATCHDOG_URL does not take the Watchdog: ConnectError" in caplog.text
    assert "secret" not in caplog.text


def test_silence_is_told_every_four_hours_and_its_end_once(relay, room, monkeypatch):
    monkeypatch.setenv("VISIONLOOP_WATCHDOG_WITHIN_S", "600")
    start = relay.heard_at
    relay.look(start + 599)
    assert room.told == []
    relay.look(start + 601)
    relay.look(start + 3600)
    assert [told["title"] for told in room.told] == ["[error] Prometheus or Alertmanager is silent"]
    assert "no Watchdog came for 10 minutes" in room.told[0]["message"]
    relay.look(start + 602 + 4 * 3600)
    relay.take(message(one("Watchdog")))
    relay.take(message(one("Watchdog")))
    assert [told["title"] for told in room.told[2:]] == ["[error] over: Prometheus' Watchdog comes again"]


def test_where_no_watchdog_ever_came_none_is_missed(relay, room, monkeypatch):
    monkeypatch.delenv("VISIONLOOP_WATCHDOG_WITHIN_S", raising=False)
    relay.look(relay.heard_at + 10**6)
    assert room.told == []
    relay.take(message(one("Watchdog")))
    relay.look(relay.heard_at + 599)
    assert room.told == []
    relay.look(relay.heard_at + 601)
    assert len(room.told) == 1


def test_silence_that_nobody_took_is_told_again(relay, room, monkeypatch):
    monkeypatch.setenv("VISIONLOOP_WATCHDOG_WITHIN_S", "600")
    room.answers = 503
    relay.look(relay.heard_at + 700)
    room.answers = 200
    relay.look(relay.heard_at + 715)
    assert len(room.told) == 1


@pytest.mark.parametrize(
    ("file", "urls", "said"),
    [
        (None, "", "include/alerting/oncall.yaml: VISIONLOOP_ALERT_URLS is not set: set it to Apprise URLs separated by spaces"),
        (None, "json://a slak://tok-456", "VISIONLOOP_ALERT_URLS: address 2 (slak://…) is no Apprise URL; https://github.com/c"),
        (None, "json://a tok-456", "include/alerting/oncall.yaml: VISIONLOOP_ALERT_URLS: address 2 (without ://) is no Apprise"),
        ("owner: us\nurls_in: OTHER\n", "json://a", "alerting/oncall.yaml: urls_in: got 'OTHER'"),
        ("owner: us\nurls_in: VISIONLOOP_ALERT_URLS\nseverity: [error]\n", "json://a", "alerting/oncall.yaml: severity:"),
    ],
    ids=["no address", "no Apprise URL", "no URL", "another variable", "a typo"],
)
def test_what_is_wrong_with_a_route_is_said(define, monkeypatch, file, urls, said):
    monkeypatch.setenv("VISIONLOOP_ALERT_URLS", urls)
    if file:
        define(oncall=file)
    found = alerts.problems()
    assert any(said in problem for problem in found), found
    assert "456" not in " ".join(found)


def test_routes_that_are_right_have_no_problem(room):
    assert alerts.problems() == []


def test_no_route_at_all_is_a_problem(define, tmp_path):
    (tmp_path / "alerting/oncall.yaml").unlink()
    assert alerts.problems() == ["include/alerting/: got no file, expected at least one: nobody is told of anything"]
