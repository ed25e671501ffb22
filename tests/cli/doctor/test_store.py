"""A real S3 server, and each thing that can be wrong with it really wrong."""

import os
import subprocess
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from cli.doctor import clock, store
from cli.home import free_ports
from include.storage import open_store
from tests.cli.doctor.conftest import serving, states
from tests.s3_server import s3_server

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with s3_server(tmp_path_factory.mktemp("s3")) as found:
        yield found


def look(place, server, monkeypatch, **changed):
    settings = server | {"VISIONLOOP_STORE": "s3://visionloop"} | changed
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    return store.check(place(settings))


def test_a_good_bucket_is_well_and_nothing_is_left_in_it(place, server, monkeypatch):
    found = look(place, server, monkeypatch)
    assert states(found) == {"S3 server": "ok", "clock": "ok", "store": "ok"}
    assert list(open_store("s3://visionloop").list("")) == []


@pytest.mark.parametrize(
    ("changed", "check", "says"),
    [
        ({"AWS_SECRET_ACCESS_KEY": "wrong"}, "credentials", "refuses AWS_SECRET_ACCESS_KEY"),
        ({"AWS_ACCESS_KEY_ID": "nobody"}, "credentials", "does not know AWS_ACCESS_KEY_ID"),
        ({"VISIONLOOP_STORE": "s3://no-such-bucket"}, "bucket", "there is no bucket no-such-bucket"),
        ({"AWS_ACCESS_KEY_ID": "R"}, "store", "cannot write"),
        ({"VISIONLOOP_STORE": "ftp://visionloop"}, "store", "expected s3://bucket/prefix"),
    ],
    ids=["wrong secret", "unknown key", "missing bucket", "a key that may only read", "not a bucket"],
)
def test_what_is_wrong_is_named_with_its_remedy(place, server, monkeypatch, changed, check, says):
    last = look(place, server, monkeypatch, **changed)[-1]
    assert (last.check, last.state) == (check, "fail")
    assert says in last.found
    assert last.remedy


def test_a_server_that_is_off_is_one_failure(place, server, monkeypatch):
    found = look(place, server, monkeypatch, AWS_ENDPOINT_URL=f"http://127.0.0.1:{free_ports(1)[0]}")
    assert states(found) == {"S3 server": "fail"}
    assert "make up" in found[0].remedy


@pytest.mark.parametrize(("ahead_s", "state"), [(0, "ok"), (-30, "warn"), (600, "fail"), (-600, "fail")])
def test_a_clock_that_was_moved_is_noticed(place, ahead_s, state):
    moved = datetime.now(UTC) + timedelta(seconds=ahead_s)
    with serving({("GET", "/"): (200, {})}, date=format_datetime(moved, usegmt=True)) as url:
        found, _ = store._server(place({"AWS_ENDPOINT_URL": url}))
    assert states(found)["clock"] == state


def test_how_far_a_clock_is_off_is_told():
    noon = datetime(2026, 1, 1, 12, tzinfo=UTC)
    (found,) = clock.compare("S3", {"date": "Thu, 01 Jan 2026 12:02:00 GMT"}, noon)
    assert found.found == "S3 is 120 s ahead of this machine"
    assert clock.compare("S3", {}) == []


def test_a_store_that_overwrites_is_refused(tmp_path, monkeypatch, place):
    """As servers do that ignore If-None-Match."""
    monkeypatch.setattr("include.storage.Store.create", lambda self, key, data: self.write(key, data) or True)
    (found,) = store.check(place({"VISIONLOOP_STORE": f"file://{tmp_path}/store"}))
    assert (found.state, "overwrites" in found.found) == ("fail", True)
    assert list(open_store(f"file://{tmp_path}/store").list("")) == []


def test_a_full_disk_is_named(tmp_path, place):
    disk = tmp_path / "disk"
    disk.mkdir()
    if os.geteuid() or subprocess.run(["mount", "-t", "tmpfs", "-o", "size=16k", "tmpfs", disk], capture_output=True).returncode:
        pytest.skip("this machine lets nobody mount a small disk")
    try:
        subprocess.run(["dd", "if=/dev/zero", f"of={disk}/filler", "bs=4096"], capture_output=True)  # until it is full
        (found,) = store.check(place({"VISIONLOOP_STORE": f"file://{disk}"}))
    finally:
        subprocess.run(["umount", disk], check=True)
    assert (found.state, found.remedy) == ("fail", "its disk is full: make room")


def test_a_folder_is_no_store_for_containers(tmp_path, place):
    found = store.check(place({"VISIONLOOP_STORE": f"file://{tmp_path}/store", "VISIONLOOP_RUNTIME": "docker"}))
    assert [one.state for one in found] == ["ok", "fail"]
