"""`make demo` as a newcomer meets it: real images, two deliveries, a better second champion; stopped half way, with a port taken.

Only its trainings are shorter: what the whole ones give is in include/models/trees.yaml.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import subprocess
from pathlib import Path

import pytest

from cli import stack as stacks
from cli.home import Home, client_environment, is_free
from include.artifacts import EvaluationReport, Promotion
from include.storage import open_store

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(3000)]
ROOT = Path(__file__).resolve().parents[2]
EPOCHS = 16  # seen: AP50 0.20 and 0.28 of first models (one thread, two), 0.37 of a second one, from scratch


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    folder = tmp_path_factory.mktemp("demo")
    shutil.copytree(ROOT / "include", folder / "definitions", ignore=shutil.ignore_patterns("*.py", "__pycache__"))
    model = folder / "definitions/models/trees.yaml"
    shorter = model.read_text().replace("epochs: 40", f"epochs: {EPOCHS}")
    assert f"epochs: {EPOCHS}" in shorter
    model.write_text(shorter)
    home = Home(folder / "home")
    yield home
    stacks.down(home)


def environment(home):
    kept = {name: value for name, value in os.environ.items() if name not in ("VISIONLOOP_STORE", "VISIONLOOP_RUNTIME")}
    return kept | {"VISIONLOOP_HOME": str(home.path), "VISIONLOOP_DEFINITIONS": str(home.path.parent / "definitions")}


def visionloop(home, *words):
    command = [str(ROOT / "visionloop"), *words]
    return subprocess.run(command, env=environment(home), capture_output=True, text=True, timeout=2400, check=False)


@pytest.fixture(scope="module")
def interrupted(home):
    """A demo stopped by Ctrl-C when the second delivery is on its way in."""
    command = [str(ROOT / "visionloop"), "demo"]
    with subprocess.Popen(
        command, env=environment(home), stdout=subprocess.PIPE, text=True, start_new_session=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),  # a shell's `&` would have it ignored
    ) as demo:  # fmt: skip
        for line in demo.stdout:
            if "delivery 2 of 2 is in" in line:
                break
        os.killpg(demo.pid, signal.SIGINT)
        rest = demo.stdout.read()
    return demo.returncode, rest, [process.cmdline() for process in stacks.leftovers(home)]


def test_control_c_leaves_nothing_running(interrupted):
    status, said, left = interrupted
    assert (status, left) == (130, [])
    assert "`make demo` goes on from here" in said


@pytest.fixture(scope="module")
def finished(home, interrupted):
    with socket.socket() as squatter:  # somebody else's server, where Airflow would like to be
        squatter.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if is_free(8080):
            squatter.bind(("127.0.0.1", 8080))
            squatter.listen()
        return visionloop(home, "demo")


def test_it_goes_on_where_it_was_and_ends_with_what_a_person_wants_to_know(finished):
    assert finished.returncode == 0, finished.stdout + finished.stderr
    assert "delivery 1 of 2 is in" not in finished.stdout
    for told in (
        "port 8080 is taken: airflow moves to",
        "trees:v1",
        "trees:v2",
        "boxes accepted, 0 rejected",
        "box_inside_image",
        "Champion: trees version 2",
        "login admin, password",
    ):
        assert told in finished.stdout, f"{told!r} is missing in\n{finished.stdout}"


def test_the_second_champion_finds_trees_where_it_never_looked(finished, home, monkeypatch):
    for name, value in client_environment(home, home.stack()).items():
        monkeypatch.setenv(name, value)
    store = open_store("s3://visionloop")
    keys = [entry.key for entry in sorted(store.list("runs/model__trees"), key=lambda entry: entry.modified)]
    report = EvaluationReport.load(store, [key for key in keys if key.endswith("/evaluate_model/card.json")][-1])
    decision = Promotion.load(store, [key for key in keys if key.endswith("/promote_model/card.json")][-1])
    assert report.dataset == "trees:v2"
    assert report.challenger.ap50 >= 0.3
    assert report.champion is not None
    assert report.challenger.ap50 > report.champion.ap50
    assert (decision.champion_before, decision.champion_after) == ("1", "2")


def test_trace_leads_back_to_both_deliveries(finished, home):
    told = visionloop(home, "trace", "trees@champion").stdout
    for step in ("bundle", "checkpoint", "dataset_version", "checked_labels", "label_batch"):
        assert step in told
    assert set(re.findall(r"inbox/trees/(batch-\d)/annotations.json", told)) == {"batch-1", "batch-2"}


def test_down_leaves_nothing_running(finished, home):
    assert "stopped" in visionloop(home, "down").stdout
    assert list(stacks.leftovers(home)) == []
