"""`make demo` as a newcomer meets it: real images, two deliveries, a better second champion; twice, with a port taken."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
from pathlib import Path

import pytest

from cli import stack as stacks
from cli.home import Home, client_environment, is_free
from include.artifacts import EvaluationReport, Promotion
from include.storage import open_store

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(1500)]
ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    home = Home(tmp_path_factory.mktemp("demo") / "home")
    yield home
    stacks.down(home)


def visionloop(home, *words):
    environment = os.environ | {"VISIONLOOP_HOME": str(home.path)}
    for name in ("VISIONLOOP_STORE", "VISIONLOOP_DEFINITIONS", "VISIONLOOP_RUNTIME"):
        environment.pop(name, None)
    command = [str(ROOT / "visionloop"), *words]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=1200, check=False)


@pytest.fixture(scope="module")
def interrupted(home):
    """A demo stopped by Ctrl-C when labels are on their way in."""
    environment = os.environ | {"VISIONLOOP_HOME": str(home.path)}
    command = [str(ROOT / "visionloop"), "demo"]
    with subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, text=True, start_new_session=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),  # a shell's `&` would have it ignored
    ) as demo:  # fmt: skip
        for line in demo.stdout:
            if "delivery 1 of 2 is in" in line:
                break
        os.killpg(demo.pid, signal.SIGINT)
        rest = demo.stdout.read()
    return demo.returncode, rest, [process.cmdline() for process in stacks.leftovers(home)]


def test_control_c_leaves_nothing_running(interrupted):
    status, said, left = interrupted
    assert (status, left) == (130, [])
    assert "`make demo` goes on from here" in said


@pytest.fixture(scope="module")
def first(home, interrupted):
    with socket.socket() as squatter:  # somebody else's server, where Airflow would like to be
        squatter.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if is_free(8080):
            squatter.bind(("127.0.0.1", 8080))
            squatter.listen()
        return visionloop(home, "demo")


def test_it_ends_with_what_a_person_wants_to_know(first):
    assert first.returncode == 0, first.stdout + first.stderr
    for told in (
        "port 8080 is taken: airflow moves to",
        "delivery 2 of 2 is in",
        "trees:v1",
        "trees:v2",
        "boxes accepted, 0 rejected",
        "box_inside_image",
        "Champion: trees version 2",
        "login admin, password",
    ):
        assert told in first.stdout, f"{told!r} is missing in\n{first.stdout}"


def test_the_second_champion_finds_trees_where_it_never_looked(first, home, monkeypatch):
    for name, value in client_environment(home, home.stack()).items():
        monkeypatch.setenv(name, value)
    store = open_store("s3://visionloop")
    keys = [entry.key for entry in sorted(store.list("runs/model__trees"), key=lambda entry: entry.modified)]
    report = EvaluationReport.load(store, [key for key in keys if key.endswith("/evaluate_model/card.json")][-1])
    decision = Promotion.load(store, [key for key in keys if key.endswith("/promote_model/card.json")][-1])
    assert report.dataset == "trees:v2"
    assert report.challenger.ap50 >= 0.45
    assert report.champion is not None
    assert report.challenger.ap50 > report.champion.ap50
    assert (decision.champion_before, decision.champion_after) == ("1", "2")


def test_trace_leads_back_to_both_deliveries(first, home):
    told = visionloop(home, "trace", "trees@champion").stdout
    for step in ("bundle", "checkpoint", "dataset_version", "checked_labels", "label_batch"):
        assert step in told
    assert set(re.findall(r"inbox/trees/(batch-\d)/annotations.json", told)) == {"batch-1", "batch-2"}


def test_again_after_a_stop_it_finds_all_done(first, home):
    assert "stopped" in visionloop(home, "down").stdout
    assert list(stacks.leftovers(home)) == []
    again = visionloop(home, "demo")
    assert again.returncode == 0, again.stdout + again.stderr
    assert "delivery 1 of 2 is in" not in again.stdout
    assert "Champion: trees version 2" in again.stdout
