import asyncio
import json
import logging
import socket
import threading
import time
from contextlib import suppress
from urllib.parse import urlsplit

import httpx
import pytest

from include.labelling import calls
from include.labelling.wakes import wakes
from include.storage import open_store
from tests.plugins import calling
from tests.plugins.calling import SECRET, served, signature
from visionloop_airflow import webhook_bodies, webhook_calls, webhooks
from visionloop_airflow.webhook_calls import CallCounts, Recent

BODY = b'{"event": "update:job", "job": {"id": 7}}'


@pytest.fixture
def store(tmp_path, monkeypatch):
    """Sources trees and crowns of the kind `sama`; only trees has a secret."""
    monkeypatch.setenv("VISIONLOOP_STORE", f"file://{tmp_path}/store")
    monkeypatch.setenv("VISIONLOOP_DEFINITIONS", str(tmp_path))
    monkeypatch.setenv("VISIONLOOP_WEBHOOK_SECRET__TREES", SECRET)
    calling.register(monkeypatch)
    (tmp_path / "sources").mkdir()
    for name in ("trees", "crowns"):
        (tmp_path / "sources" / f"{name}.yaml").write_text(calling.YAML)
    (tmp_path / "sources" / "files.yaml").write_text("kind: coco\nowner: ada\nprefix: inbox/files\n")
    monkeypatch.setattr(webhooks, "reception", webhooks.Reception())
    yield open_store(f"file://{tmp_path}/store")
    if (timer := webhooks.reception.counts._timer) is not None:
        timer.cancel()


@pytest.fixture
def url(store):
    with served() as address:
        yield f"{address}/visionloop/webhooks"


def call(url, source="trees", body=BODY, headers=None):
    return httpx.post(f"{url}/{source}", content=body, headers=signature(body) if headers is None else headers)


def counted():
    """What this process has counted, by source."""
    return {source: dict(outcomes) for source, outcomes in webhooks.reception.counts.counts.items()}


def test_a_genuine_call_wakes_its_source_and_no_other(url, store):
    answer = call(url)
    assert (answer.status_code, answer.content) == (202, b"")
    assert set(wakes(store)) == {"trees"}
    assert counted() == {"trees": {"accepted": 1}}


def test_another_call_wakes_again(url, store):
    call(url)
    before = wakes(store)["trees"]
    time.sleep(0.02)  # a folder's clock
    assert call(url, body=b'{"event": "update:job", "job": {"id": 8}}').status_code == 202
    assert wakes(store)["trees"] != before


def test_the_same_call_again_changes_nothing(url, store):
    call(url)
    before = wakes(store)
    time.sleep(0.02)
    assert call(url).status_code == 202
    assert call(url, headers=signature(BODY) | {"x-delivery": "another"}).status_code == 202
    assert wakes(store) == before
    assert counted() == {"trees": {"accepted": 1, "replayed": 2}}


@pytest.mark.parametrize(
    ("source", "body", "headers", "outcome"),
    [
        ("trees", BODY, {}, {"trees": {"forged": 1}}),
        ("trees", BODY, signature(BODY, "another secret"), {"trees": {"forged": 1}}),
        ("trees", BODY.replace(b"7", b"8"), signature(BODY), {"trees": {"forged": 1}}),
        ("trees", b"", {"x-signature": ""}, {"trees": {"forged": 1}}),
        ("trees", BODY, {"x-signature": "\xe9".encode("latin-1")}, {"trees": {"forged": 1}}),
        ("crowns", BODY, signature(BODY, ""), {"crowns": {"forged": 1}}),
        ("crowns", BODY, signature(BODY), {"crowns": {"forged": 1}}),
        ("files", BODY, signature(BODY), {"-": {"unknown": 1}}),
        ("oaks", BODY, signature(BODY), {"-": {"unknown": 1}}),
        ("..%2ftrees", BODY, signature(BODY), None),
    ],
    ids=["no signature", "wrong secret", "changed body", "nothing", "not ASCII", "empty secret", "no secret set",
         "a source of files", "no such source", "a path"],
)  # fmt: skip
def test_whoever_does_not_know_the_secret_learns_and_changes_nothing(url, store, source, body, headers, outcome):
    answer = call(url, source, body, headers)
    assert (answer.status_code, answer.text) == ((401, "") if outcome else (404, '{"detail":"Not Found"}'))
    assert wakes(store) == {}
    assert counted() == (outcome or {})


@pytest.mark.parametrize(
    "body", [b"{", b"[1]", b"\xff\xfe", b"", b"[" * 200_000], ids=["cut short", "a list", "no text", "empty", "nested deeply"]
)
def test_a_genuine_call_without_a_json_object_is_malformed(url, store, body):
    assert call(url, body=body).status_code == 400
    assert wakes(store) == {}
    assert counted() == {"trees": {"malformed": 1}}


def chunks(size_bytes):
    """A body that does not say its length."""
    for _ in range(size_bytes // 65536):
        yield b"x" * 65536


@pytest.mark.parametrize("is_announced", [True, False], ids=["by its length", "while it streams"])
def test_an_oversized_body_is_refused(url, store, is_announced):
    content = b"x" * (2**20 + 1) if is_announced else chunks(64 * 2**20)
    with suppress(httpx.WriteError, httpx.ReadError):  # the connection is closed while we still write: no more was read
        assert httpx.post(f"{url}/trees", content=content).status_code == 413
    assert wakes(store) == {}
    assert counted() == {"trees": {"oversized": 1}}


def test_a_body_of_exactly_the_limit_is_taken(url):
    assert call(url, body=b'{"a": "' + b"x" * (2**20 - 9) + b'"}').status_code == 202


def started(url, length=100):
    """A call whose body never comes."""
    place = urlsplit(url)
    caller = socket.create_connection((place.hostname, place.port))
    caller.sendall(f"POST {place.path}/trees HTTP/1.1\r\nHost: x\r\nContent-Length: {length}\r\n\r\n".encode() + b"{")
    return caller


def test_a_slow_body_is_given_up(url, store, monkeypatch):
    monkeypatch.setattr(webhook_bodies, "BODY_WITHIN_S", 0.2)
    with started(url) as caller:
        assert caller.recv(100).startswith(b"HTTP/1.1 408")
    assert counted() == {"trees": {"malformed": 1}}


def test_a_body_that_breaks_off_is_counted(url, store):
    started(url).close()
    until(lambda: counted() == {"trees": {"malformed": 1}})
    assert wakes(store) == {}


def until(check, within_s=60):
    deadline = time.monotonic() + within_s
    while not check():
        assert time.monotonic() < deadline, "waited too long"
        time.sleep(0.02)


def test_many_slow_callers_keep_no_genuine_call_out(url, store, monkeypatch):
    monkeypatch.setattr(webhook_bodies, "BODIES_AT_ONCE", 4)
    slow = [started(url) for _ in range(20)]
    try:
        assert call(url).status_code == 202
        until(lambda: counted()["trees"].get("malformed", 0) >= 16)  # four may go on, one of them the genuine call
        assert len(webhooks.reception.bodies._reading) in (3, 4)
    finally:
        for caller in slow:
            caller.close()


def test_a_flood_of_forged_calls_keeps_no_genuine_call_out(url, store):
    with httpx.Client() as client:
        for number in range(200):
            client.post(f"{url}/trees", content=b"{}", headers={"x-signature": str(number)})
    assert call(url).status_code == 202
    assert counted() == {"trees": {"forged": 200, "accepted": 1}}


def test_a_store_that_is_down_is_a_503_and_the_call_may_come_again(url, store, monkeypatch):
    def down(*_):
        raise ConnectionError("refused")

    with monkeypatch.context() as outage:
        outage.setattr(webhooks, "wake", down)
        assert call(url).status_code == 503
    assert call(url).status_code == 202
    assert set(wakes(store)) == {"trees"}
    assert counted() == {"trees": {"failed": 1, "accepted": 1}}


def test_a_store_that_hangs_is_a_503_soon(url, store, monkeypatch):
    hangs = threading.Event()
    monkeypatch.setattr(webhooks, "WAKE_WITHIN_S", 0.2)
    with monkeypatch.context() as outage:
        outage.setattr(webhooks, "wake", lambda *_: hangs.wait(60))
        assert call(url).status_code == 503
        hangs.set()


def test_calls_at_once_are_served_by_few_writes(url, store, monkeypatch):
    written = []

    def slow(_, source):
        written.append(source)
        time.sleep(0.3)

    monkeypatch.setattr(webhooks, "wake", slow)
    bodies = [json.dumps({"id": number}).encode() for number in range(20)]

    async def together():
        async with httpx.AsyncClient() as client:
            return await asyncio.gather(*(client.post(f"{url}/trees", content=one, headers=signature(one)) for one in bodies))

    assert {answer.status_code for answer in asyncio.run(together())} == {202}
    assert 2 <= len(written) <= 3, "the first, and one for those that came meanwhile"
    assert counted() == {"trees": {"accepted": 20}}


def test_a_source_that_is_declared_later_is_known_soon(url, store, tmp_path, monkeypatch):
    monkeypatch.setattr(webhooks, "LOOK_EVERY_S", 0.1)
    monkeypatch.setenv("VISIONLOOP_WEBHOOK_SECRET__OLD_OAKS", SECRET)
    assert call(url, "old-oaks").status_code == 401
    (tmp_path / "sources" / "old-oaks.yaml").write_text(calling.YAML)
    time.sleep(0.15)
    assert call(url, "old-oaks").status_code == 202
    assert set(wakes(store)) == {"old-oaks"}


def test_a_broken_definition_does_not_silence_the_others(url, tmp_path):
    (tmp_path / "sources" / "broken.yaml").write_text("kind: [")
    assert call(url).status_code == 202
    assert call(url, "broken").status_code == 401


def test_the_log_has_neither_secret_nor_body_and_a_line_a_minute(url, caplog, monkeypatch):
    with caplog.at_level(logging.DEBUG):
        for _ in range(3):
            call(url, headers={"x-signature": "from a stranger"})
        call(url, "crowns")
        call(url, "oaks")
        call(url)
    ours = [record.getMessage() for record in caplog.records if record.name == "visionloop_airflow.webhook_calls"]
    once = "(1 calls since this was said last)"
    assert ours == [
        f"webhook for source trees: forged: not signed with VISIONLOOP_WEBHOOK_SECRET__TREES {once}",
        "webhook for source crowns: forged: every call is refused: VISIONLOOP_WEBHOOK_SECRET__CROWNS is not set in the "
        f"environment of Airflow's api-server {once}",
        f"webhook for source -: unknown: include/sources/ has no service by the name that was called {once}",
    ]
    assert not [text for text in (SECRET, "update:job", "from a stranger") if text in caplog.text]


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
def test_only_post_is_answered(url, method):
    assert httpx.request(method, f"{url}/trees").status_code == 405


def test_the_pages_beside_it_stay_behind_the_login(url):
    assert httpx.get(f"{url.removesuffix('/webhooks')}/artifacts/runs/a/b/c/report.html", timeout=60).status_code == 401


def test_counts_reach_airflows_metrics(url, monkeypatch):
    told = []
    monkeypatch.setattr(webhook_calls.stats, "incr", lambda name, tags: told.append((name, tags)))
    call(url)
    call(url, headers={})
    call(url, "oaks")
    assert told == [
        ("visionloop.webhooks.accepted", {"source": "trees"}),
        ("visionloop.webhooks.forged", {"source": "trees"}),
        ("visionloop.webhooks.unknown", {"source": "-"}),
    ]


def test_counts_are_kept_in_the_store_and_summed_over_processes(store):
    first, second = CallCounts(lambda: store), CallCounts(lambda: store)
    for counts, times in ((first, 2), (second, 3)):
        for _ in range(times):
            counts.note("trees", "accepted")
        counts.note(None, "unknown", "why")
        counts.write()
    assert calls.read_calls(store) == {"trees": {"accepted": 5}, "-": {"unknown": 2}}


def test_counts_are_written_soon_but_seldom(store, monkeypatch):
    monkeypatch.setattr(webhook_calls, "WRITE_EVERY_S", 0.5)
    written = []
    monkeypatch.setattr(webhook_calls, "write_calls", lambda *what: written.append(what[-1]["trees"]["accepted"]))
    counts, began = CallCounts(lambda: store), time.monotonic()
    for _ in range(1000):
        counts.note("trees", "accepted")
    until(lambda: written and written[-1] == 1000)
    assert time.monotonic() - began < 2
    assert len(written) <= 3


def test_counts_that_the_store_refuses_are_written_later(store, monkeypatch):
    def down():
        raise ConnectionError("refused")

    counts = CallCounts(down)
    counts.note("trees", "accepted")
    counts.write()
    counts.store = lambda: store
    counts.note("trees", "accepted")
    counts.write()
    assert calls.read_calls(store) == {"trees": {"accepted": 2}}


def test_a_server_that_restarts_for_ever_leaves_few_objects(store):
    for number in range(60):
        calls.write_calls(store, f"process-{number:02d}", {"trees": {"accepted": 1}})
        calls.forget_old_calls(store)
    assert len(list(store.list("webhooks"))) == 50


def test_replays_are_remembered_for_a_while_and_so_many(monkeypatch):
    recent = Recent(size=2, window_s=60)
    one, two, three = (recent.key("trees", body) for body in (b"1", b"2", b"3"))
    for key in (one, two, three):
        recent.add(key)
    assert [recent.has(key) for key in (one, two, three)] == [False, True, True]
    assert not recent.has(recent.key("crowns", b"2")), "a source's own"
    now = time.monotonic()
    monkeypatch.setattr(webhook_calls.time, "monotonic", lambda: now + 61)
    assert not recent.has(three)
