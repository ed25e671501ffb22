"""A service that is slow, cut short, busy, moved or lost; and secrets that stay where they belong."""

from __future__ import annotations

import asyncio
import gzip
import logging
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import httpx
import pytest

from include.errors import ConfigError, StepError, Unavailable
from include.labelling import web as module
from include.labelling.web import Web
from tests.hosted_servers.serving import Answer, Request, Service, answer, serving

KEY = {"Authorization": "Bearer the-key-of-the-project"}


class Echo(Service):
    """Says what it was asked; `script` in turn before that."""

    def answer_to(self, request: Request) -> Answer:
        return answer({"method": request.method, "path": request.path, "query": request.query, "headers": request.headers})


@pytest.fixture
def service() -> Iterator[Echo]:
    with serving(Echo()) as running:
        yield running


@pytest.fixture
def elsewhere() -> Iterator[Echo]:
    with serving(Echo()) as running:
        yield running


def ask(url: str, what: Callable[[Web], Any], token: str = Echo.token, **how: Any) -> Any:
    async def asked() -> Any:
        async with Web(url, token, **{"patience_s": 5, **how}) as web:
            web.headers = {"Authorization": f"Bearer {web.token}"}
            return await what(web)

    return asyncio.run(asked())


def get(web: Web) -> Any:
    return web.ask("GET", "things", params={"access_key": "in-the-query"})


def test_silent_host_has_one_try_at_a_time_until_it_answers(service: Echo) -> None:
    async def talk(web: Web) -> list[int]:
        counts = []
        for faults in ([answer(b"", 503)] * 100, [answer(b"", 503)], [], [answer(b"", 503)]):
            service.faults, service.asked = list(faults), []
            with suppress(Unavailable):
                await get(web)
            counts.append(len(service.asked))
        return counts

    first, *later = ask(service.url, talk, patience_s=1)
    assert first > 1
    assert later == [1, 1, 2]  # silent still; it answers; and now it is trusted again


def redirect(url: str, status: int = 302) -> Answer:
    return answer(b"", status, headers={"location": url})


def test_answer_is_its_json(service: Echo) -> None:
    said = ask(service.url, get)

    assert said["path"] == "/things"
    assert said["query"] == {"access_key": "in-the-query"}
    assert said["headers"]["authorization"] == KEY["Authorization"]


def test_retry_after_in_seconds_is_waited_for(service: Echo) -> None:
    service.faults = [answer(b"", 429, headers={"retry-after": "1"})]
    began = time.monotonic()

    ask(service.url, get)

    assert 1 <= time.monotonic() - began < 3


def test_retry_after_as_a_date_is_waited_for(service: Echo) -> None:
    at = datetime.now(UTC) + timedelta(seconds=2)  # dates have whole seconds: one to two from now
    service.faults = [answer(b"", 503, headers={"retry-after": format_datetime(at, usegmt=True)})]
    began = time.monotonic()

    ask(service.url, get)

    assert 1 <= time.monotonic() - began < 4


@pytest.mark.parametrize(
    "said", ["soon", "", "Wed, 99 Nov", "-5", "nan"], ids=["a word", "nothing", "no date", "negative", "no number"]
)
def test_retry_after_that_says_nothing_is_waited_for_a_little(service: Echo, said: str) -> None:
    service.faults = [answer(b"", 429, headers={"retry-after": said})]

    assert ask(service.url, get)["path"] == "/things"


def test_retry_after_beyond_our_patience_ends_at_once(service: Echo) -> None:
    service.faults = [answer(b"", 429, headers={"retry-after": "3600"})] * 2
    began = time.monotonic()

    with pytest.raises(Unavailable, match="HTTP 429"):
        ask(service.url, get)

    assert time.monotonic() - began < 1


def test_busy_service_that_says_retry_now_is_not_asked_without_a_pause(service: Echo) -> None:
    service.faults = [answer(b"", 429, headers={"retry-after": "0"})] * 1000

    with pytest.raises(Unavailable):
        ask(service.url, get, patience_s=1)

    assert len(service.asked) < 20


@pytest.mark.parametrize(
    "faults",
    [
        [answer(b"", 500), answer(b"", 502), answer(b"", 504)],
        [Answer(200, b'{"a": 1', cut=5)],
        [answer(b'{"a": [1, 2')],
        [Answer(200, gzip.compress(b'{"a": 1}' * 99)[:-20], headers={"content-encoding": "gzip"})],
        [answer(b"[" * 100_000)],
        [answer(b"", 408), answer(b"", 425)],
    ],
    ids=["5xx", "body cut", "JSON cut", "gzip cut", "nested beyond reason", "too early"],
)
def test_fault_that_passes_is_asked_again(service: Echo, faults: list[Answer | None]) -> None:
    service.faults = list(faults)

    assert ask(service.url, get, patience_s=20)["path"] == "/things"
    assert len(service.asked) == len(faults) + 1


def test_patience_ends_with_unavailable_that_says_what_to_look_at(service: Echo) -> None:
    service.faults = [answer(b"down for repairs", 503)] * 100

    with pytest.raises(
        Unavailable, match=r"things: HTTP 503 'down for repairs'; asked for 0.5 s\. Is the service up, and `url` right\?"
    ):
        ask(service.url, get, patience_s=0.5)


def test_service_that_is_not_there_is_unavailable() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}"

    with pytest.raises(Unavailable, match="Is the service up"):
        ask(url, get, patience_s=0.5)


def test_service_that_never_answers_is_unavailable() -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        with pytest.raises(Unavailable, match="ReadTimeout"):
            ask(f"http://127.0.0.1:{silent.getsockname()[1]}", get, patience_s=0.5, timeout_s=0.2)


def test_host_that_swallows_everything_is_given_up_for_a_minute(monkeypatch: pytest.MonkeyPatch) -> None:
    """It takes connections and never answers: a hundred pictures there must not wait for it one after the other."""

    async def talk(web: Web) -> tuple[int, int, int]:
        counts = []
        for pictures in (3, 97, 1):
            before = web.requests
            for number in range(pictures):
                with pytest.raises(Unavailable):
                    await web.read(f"{web.url}/{number}.png")
            counts.append(web.requests - before)
            if len(counts) == 2:
                monkeypatch.setattr(module, "LOOK_AGAIN_S", 0)
        return counts[0], counts[1], counts[2]

    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen(200)
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        first, then, after_a_minute = ask(url, talk, patience_s=0.3, timeout_s=0.2)
    assert first >= 3
    assert (then, after_a_minute) == (0, 1)


def test_token_is_renewed_once_and_asked_with_again(service: Echo) -> None:
    service.faults = [answer(b"expired", 401)]
    renewed = []

    async def with_renewal(web: Web) -> Any:
        async def renew() -> bool:
            renewed.append(web.headers["Authorization"])
            web.headers = {"Authorization": "Bearer another"}
            return True

        web.renew = renew
        return await get(web)

    assert ask(service.url, with_renewal)["headers"]["authorization"] == "Bearer another"
    assert renewed == [KEY["Authorization"]]


@pytest.mark.parametrize("can_renew", [True, False], ids=["renewed in vain", "cannot be renewed"])
def test_token_that_stays_wrong_is_a_setting_to_mend(service: Echo, can_renew: bool) -> None:
    service.faults = [answer(b"who are you", 401)] * 5

    async def with_renewal(web: Web) -> Any:
        async def renew() -> bool:
            return can_renew

        web.renew = renew
        return await get(web)

    with pytest.raises(ConfigError, match="expected a token that may read this project"):
        ask(service.url, with_renewal)

    assert len(service.asked) == 1 + can_renew


def test_redirect_to_another_host_leaves_our_headers_behind(service: Echo, elsewhere: Echo) -> None:
    service.faults = [redirect(f"{elsewhere.url}/signed?X-Signature=abc")]

    async def read(web: Web) -> Any:
        return await web.ask("GET", "file", headers={"X-More": "the-key"}, params={"access_key": "the-key"})

    said = ask(service.url, read)

    assert said["query"] == {"X-Signature": "abc"}
    assert not {"authorization", "x-more"} & set(said["headers"])


def test_redirect_within_the_service_keeps_our_headers(service: Echo) -> None:
    service.faults = [redirect("/things/")]

    said = ask(service.url, get)

    assert (said["path"], said["headers"]["authorization"]) == ("/things/", KEY["Authorization"])


def test_redirect_back_from_another_host_is_ours_again(service: Echo, elsewhere: Echo) -> None:
    service.faults = [redirect(f"{elsewhere.url}/a")]
    elsewhere.faults = [redirect(f"{service.url}/b")]

    assert ask(service.url, get)["path"] == "/b"
    assert "authorization" not in elsewhere.asked[0].headers


def test_what_we_say_is_not_sent_on_to_another_host(service: Echo, elsewhere: Echo) -> None:
    service.faults = [redirect(f"{elsewhere.url}/take?it=here", 307)]

    with pytest.raises(Unavailable, match="another host"):
        ask(service.url, lambda web: web.ask("POST", "things", json={"secret": "of ours"}))

    assert elsewhere.asked == []


def test_redirects_that_never_end_are_left(service: Echo) -> None:
    service.faults = [redirect("/round")] * 50

    with pytest.raises(Unavailable, match="more than 5 times"):
        ask(service.url, get)


def test_another_port_is_another_host(service: Echo, elsewhere: Echo) -> None:
    said = ask(service.url, lambda web: web.ask("GET", f"{elsewhere.url}/x", headers={"X-More": "the-key"}))

    assert not {"authorization", "x-more"} & set(said["headers"])


def test_other_address_of_the_service_gets_its_headers(service: Echo, elsewhere: Echo) -> None:
    async def both(web: Web) -> Any:
        web.also(f"{elsewhere.url}/api/v1")
        return await web.ask("GET", f"{elsewhere.url}/api/v1/x")

    assert ask(service.url, both)["headers"]["authorization"] == KEY["Authorization"]


def test_missing_file_is_file_not_found(service: Echo) -> None:
    service.faults = [answer(b"", 404)]

    with pytest.raises(FileNotFoundError, match="HTTP 404"):
        ask(service.url, lambda web: web.read("file"))


@pytest.mark.parametrize("address", ["s3://bucket/a.jpg", "file:///etc/passwd", "http://[bad/a.jpg", "https://\nx/"])
def test_address_that_is_not_on_the_web_is_file_not_found_at_once(service: Echo, address: str) -> None:
    with pytest.raises(FileNotFoundError, match="not an address on the web"):
        ask(service.url, lambda web: web.read(address))


@pytest.mark.parametrize("status", [401, 403, 410], ids=str)
def test_storage_that_refuses_is_unavailable_and_its_answer_untold(service: Echo, elsewhere: Echo, status: int) -> None:
    elsewhere.faults = [answer(b"<StringToSign>the-signature</StringToSign>", status)]

    with pytest.raises(Unavailable, match=f"HTTP {status}") as error:
        ask(service.url, lambda web: web.read(f"{elsewhere.url}/x?X-Signature=the-signature"))

    assert "the-signature" not in str(error.value)


def test_wrong_question_is_a_setting_to_mend(service: Echo) -> None:
    service.faults = [answer(b"no such field", 422)]

    with pytest.raises(ConfigError, match="HTTP 422 'no such field'; is `service` in the source's definition right"):
        ask(service.url, get)


@pytest.mark.parametrize("token", ["line\nend", "naïve-ключ", "tab\x00zero"], ids=["two lines", "not ASCII", "a zero"])
def test_token_that_no_header_can_have_is_told_and_not_shown(service: Echo, token: str, caplog: pytest.LogCaptureFixture) -> None:
    with pytest.raises(ConfigError, match="letters that no header can have") as error:
        ask(service.url, get, token=token)

    assert token not in f"{error.value} {caplog.text}"
    assert error.value.__cause__ is None


def test_line_end_after_a_token_is_left_out(service: Echo) -> None:
    assert ask(service.url, get, token=f"{Echo.token}\n")["headers"]["authorization"] == KEY["Authorization"]


@pytest.mark.parametrize(
    "fault",
    [
        answer(b"key the-key-of-the-project, in-the-query?", 400),
        answer(b"the-key-of-the-project", 401),
        answer(b"", 503),
        answer(b"x", 404),
    ],
    ids=["refused", "wrong key", "busy", "gone"],
)
def test_neither_key_nor_query_is_told_or_logged(service: Echo, fault: Answer, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    service.faults = [fault] * 100

    with pytest.raises((StepError, FileNotFoundError)) as error:
        ask(service.url, lambda web: web.ask("GET", "things?access_key=secret-query"), patience_s=0.5)

    assert "the-key-of-the-project" not in f"{error.value} {caplog.text}"
    assert "secret-query" not in f"{error.value} {caplog.text}"


def test_signed_address_of_a_redirect_is_not_logged(service: Echo, elsewhere: Echo, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    service.faults = [redirect(f"{elsewhere.url}/x?X-Signature=the-signature")]

    ask(service.url, get)

    assert "the-signature" not in caplog.text


def test_answer_beyond_all_size_is_left(service: Echo, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "ANSWER_BYTES_MAX", 1000)
    service.faults = [Answer(200, gzip.compress(b"0" * 1_000_000), headers={"content-encoding": "gzip"})]

    with pytest.raises(Unavailable, match="over 1000 bytes"):
        ask(service.url, lambda web: web.read("file"))


def test_requests_are_counted(service: Echo) -> None:
    service.faults = [answer(b"", 500)]

    async def count(web: Web) -> int:
        await get(web)
        return web.requests

    assert ask(service.url, count) == 2


def test_transport_can_be_given() -> None:
    transport = httpx.MockTransport(lambda request: httpx.Response(200, json=[request.url.path]))

    assert ask("https://service.example/api/", lambda web: web.ask("GET", "/x"), transport=transport) == ["/api/x"]
