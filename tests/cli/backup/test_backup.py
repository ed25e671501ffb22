"""A stack that is backed up, destroyed and put back; and backups that are not to be trusted."""

import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import tarfile
import time
from contextlib import closing

import pytest

from cli.backup import command, manifest, objects, reach
from cli.backup.command import backup, restore
from cli.home import ROOT, Home, Stack, StackError, choose_ports, is_free
from cli.services import Service
from include.storage import open_store

CARDS = {
    "datasets/cells/v1.json": b'{"kind": "dataset_version"}',
    "labels/cells/batches/1.json": b"{}",
    "models/cells/promotions/1.json": b"{}",
    "runs/model__cells/r1/train_detector/card.json": b"{}",
    "runs/model__cells/r1/train_detector/log.txt": b"first",
}
CONTENT = {"files/md5/ab/cd": b"a picture", "inbox/cells/day-1/a.png": b"a picture", "logs/dag_id=x/1.log": b"a line"}
PASSING = {
    "labels/cells/cursor.json": b"{}", "wakes/cells": b"now", "gc/1/condemned": b"", "webhooks/1.json": b"{}",
    "alerts/waiting/1.json": b"{}",
}  # fmt: skip


@pytest.fixture
def home(tmp_path, monkeypatch):
    """An embedded stack that is stopped, with runs in its databases and cards in its store, which is a folder."""
    for name in [name for name in os.environ if name.startswith(("AWS_", "VISIONLOOP_", "AIRFLOW"))]:
        if name != "VISIONLOOP_VENVS":
            monkeypatch.delenv(name)
    definitions = tmp_path / "definitions" / "sources"
    definitions.mkdir(parents=True)
    (definitions / "cells.yaml").write_text("kind: coco\nowner: ada\nprefix: inbox/cells\n")
    monkeypatch.setenv("VISIONLOOP_DEFINITIONS", str(definitions.parent))
    monkeypatch.setenv("VISIONLOOP_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("VISIONLOOP_ENV_FILE", str(tmp_path / "no.env"))
    monkeypatch.setenv("VISIONLOOP_STORE", f"file://{tmp_path}/store")
    home, stack = Home(), Stack()
    choose_ports(stack)
    home.save(stack)
    fill(home, "run")
    for key, data in (CARDS | CONTENT | PASSING).items():
        the_store().write(key, data)
    return home


def the_store():
    return open_store(os.environ["VISIONLOOP_STORE"])


def fill(home, note):
    for path, table in ((home.airflow / "airflow.db", "dag_run"), (home.path / "mlflow.db", "runs")):
        with closing(sqlite3.connect(path)) as connection, connection:
            connection.execute(f"CREATE TABLE IF NOT EXISTS {table} (note TEXT)")
            connection.execute(f"INSERT INTO {table} VALUES (?)", (note,))


def state(home):
    """Of the databases, and everything in the store."""
    rows = []
    for path, table in ((home.airflow / "airflow.db", "dag_run"), (home.path / "mlflow.db", "runs")):
        with closing(sqlite3.connect(path)) as connection:
            rows += [note for (note,) in connection.execute(f"SELECT note FROM {table}")]
    store = the_store()
    return rows, {entry.key: store.read(entry.key) for entry in store.list("")}


def destroy(home, *kept):
    shutil.rmtree(home.airflow)
    (home.path / "mlflow.db").unlink()
    store = the_store()
    store.delete_many([entry.key for entry in store.list("") if not entry.key.startswith(kept)])


@pytest.mark.parametrize("with_content", [True, False], ids=["with content", "cards alone"])
def test_what_was_destroyed_comes_back(home, tmp_path, with_content):
    folder = backup(None, tmp_path / "b", with_content=with_content)
    destroy(home, *() if with_content else ("files/", "inbox/", "logs/"))
    restore(None, folder, force=False, yes=True)
    assert state(home) == (["run", "run"], CARDS | CONTENT)


def test_a_backup_without_content_is_small_and_says_so(home, tmp_path, capsys):
    folder = backup(None, tmp_path / "b", with_content=False)
    with tarfile.open(folder / "store.tar") as tar:
        assert sorted(tar.getnames()) == sorted(CARDS)
    assert "5 objects" in capsys.readouterr().out
    assert {path.stat().st_mode & 0o077 for path in folder.iterdir()} == {0}, "databases hold hashes of passwords"
    assert home.stack().s3_secret_key not in (folder / "manifest.json").read_text()
    assert home.stack().fernet_key not in (folder / "manifest.json").read_text()


def test_restored_twice_it_is_the_same(home, tmp_path, capsys):
    folder = backup(None, tmp_path / "b", with_content=True)
    fill(home, "later")
    the_store().write("runs/model__cells/r1/train_detector/log.txt", b"second")
    the_store().write("datasets/cells/v2.json", b"{}")
    for _ in range(2):
        restore(None, folder, force=True, yes=True)
    assert state(home)[0] == ["run", "run"]
    kept = {key: data for key, data in PASSING.items() if "cursor" not in key} | {"datasets/cells/v2.json": b"{}"}
    assert state(home)[1] == CARDS | CONTENT | kept, "what is newer stays, but cursors: the next sweep lists everything"
    assert "0 objects written, 8 were there already" in capsys.readouterr().out


@pytest.mark.parametrize("file", ["airflow.db", "mlflow.db", "store.tar"])
def test_one_changed_byte_is_found_before_anything_is_done(home, tmp_path, file):
    folder = backup(None, tmp_path / "b", with_content=False)
    with open(folder / file, "r+b") as damaged:
        damaged.seek(600)
        byte = damaged.read(1)
        damaged.seek(600)
        damaged.write(bytes([byte[0] ^ 1]))
    destroy(home)
    with pytest.raises(StackError, match=f"is damaged: {file}"):
        restore(None, folder, force=True, yes=True)
    assert not home.airflow.exists()
    assert list(the_store().list("")) == []


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"format": 2}, "later version of Visionloop"),
        ({"versions": {"airflow": "99.0", "mlflow": "3.0"}}, "made with airflow 99.0, which is later"),
        ({"kind": "postgres"}, "own kind"),
        ({"sha256": {"gone.db": "0"}}, "gone.db"),
        ({"surprise": 1}, "damaged"),
    ],
    ids=["later format", "later Airflow", "other kind of stack", "a file is gone", "not as we write it"],
)
def test_a_backup_that_does_not_fit_is_refused(home, tmp_path, change, says):
    folder = backup(None, tmp_path / "b", with_content=False)
    said = json.loads((folder / "manifest.json").read_text())
    (folder / "manifest.json").write_text(json.dumps(said | change))
    before = state(home)
    with pytest.raises(StackError, match=says):
        restore("embedded", folder, force=True, yes=True)
    assert state(home) == before


def test_a_stack_that_is_not_empty_is_left_alone(home, tmp_path):
    folder = backup(None, tmp_path / "b", with_content=False)
    fill(home, "precious")
    before = state(home)
    with pytest.raises(StackError, match=r"airflow knows 2 runs; mlflow knows 2 runs; .* holds cards.*--force"):
        restore(None, folder, force=False, yes=True)
    assert state(home) == before


def test_another_key_is_noticed(home, tmp_path):
    folder = backup(None, tmp_path / "b", with_content=False)
    destroy(home)
    stack = home.stack()
    stack.fernet_key = "another"
    home.save(stack)
    with pytest.raises(StackError, match="AIRFLOW__CORE__FERNET_KEY"):
        restore(None, folder, force=False, yes=True)


def test_a_person_who_says_no_changes_nothing(home, tmp_path, monkeypatch, capsys):
    folder = backup(None, tmp_path / "b", with_content=False)
    destroy(home)
    monkeypatch.setattr(command.typer, "confirm", lambda question: False)
    with pytest.raises(StackError, match="nothing was done"):
        restore(None, folder, force=False, yes=False)
    assert list(the_store().list("")) == []
    assert "5 objects into file://" in capsys.readouterr().out


def test_a_running_stack_is_backed_up_but_not_restored_into(home, tmp_path, monkeypatch):
    monkeypatch.setattr(reach.stacks, "supervisor", lambda home: object())
    folder = backup(None, tmp_path / "b", with_content=False)
    with pytest.raises(StackError, match="stop it first"):
        restore(None, folder, force=True, yes=True)


def test_a_backup_is_never_written_over(home, tmp_path):
    folder = backup(None, tmp_path / "b", with_content=False)
    with pytest.raises(StackError, match="never written over"):
        backup(None, folder, with_content=False)


def test_a_backup_that_is_killed_leaves_none(home, tmp_path):
    """SIGKILL while it writes: what it leaves is not taken for a backup."""
    code = (
        "import sys, time, pathlib\nfrom cli.backup import command, objects\n"
        "def slow(*_):\n    print('writing', flush=True)\n    time.sleep(60)\n"
        "objects.pack = slow\ncommand.backup(None, pathlib.Path(sys.argv[1]), with_content=False)\n"
    )
    folder = tmp_path / "b"
    process = subprocess.Popen([sys.executable, "-c", code, folder], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "writing\n"
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert not folder.exists()
    with pytest.raises(StackError, match="is no backup"):
        restore(None, tmp_path / "b.part", force=True, yes=True)
    with pytest.raises(StackError, match="cut short"):
        backup(None, folder, with_content=False)
    shutil.rmtree(tmp_path / "b.part")
    assert backup(None, folder, with_content=False) == folder


def test_a_restore_that_is_killed_is_done_again(home, tmp_path):
    """SIGKILL after the store, before the databases: with --force the same restore ends as if it had not been killed."""
    folder = backup(None, tmp_path / "b", with_content=True)
    destroy(home)
    code = (
        "import sys, time, pathlib\nfrom cli.backup import command, databases\n"
        "def slow(*_):\n    print('databases', flush=True)\n    time.sleep(60)\n"
        "databases.Sqlite.restore = slow\ncommand.restore(None, pathlib.Path(sys.argv[1]), force=False, yes=True)\n"
    )
    process = subprocess.Popen([sys.executable, "-c", code, folder], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 60
    while process.stdout.readline() != "databases\n":
        assert time.monotonic() < deadline
    process.send_signal(signal.SIGKILL)
    process.communicate()
    with pytest.raises(StackError, match="--force"):
        restore(None, folder, force=False, yes=True)
    restore(None, folder, force=True, yes=True)
    assert state(home) == (["run", "run"], CARDS | CONTENT)


@pytest.mark.parametrize("whole_bytes", [2000, 20_000], ids=["in pieces", "one at a time"])
def test_large_objects_come_back(tmp_path, monkeypatch, whole_bytes):
    monkeypatch.setattr(objects, "SMALL_BYTES", 1000)
    monkeypatch.setattr(objects, "WHOLE_BYTES", whole_bytes)
    here, there = open_store(f"file://{tmp_path}/here"), open_store(f"file://{tmp_path}/there")
    data = os.urandom(10_007)
    here.write("files/md5/ab/large", data)
    here.write("runs/a/b/c/card.json", b"{}")
    with tarfile.open(tmp_path / "t.tar", "w") as tar:
        entries = [*objects.cards(here, objects.CONTENT), *objects.contents(here, objects.CONTENT)]
        assert objects.pack(here, entries, tar) == 2
    assert objects.unpack(there, tmp_path / "t.tar") == (2, 0)
    assert there.read("files/md5/ab/large") == data
    assert objects.unpack(there, tmp_path / "t.tar") == (0, 2)


def test_content_that_is_damaged_in_the_store_is_not_written_over_silently(tmp_path):
    store = open_store(f"file://{tmp_path}/store")
    store.write("files/md5/ab/cd", b"as it was")
    with tarfile.open(tmp_path / "t.tar", "w") as tar:
        objects.pack(store, store.list("files"), tar)
    store.write("files/md5/ab/cd", b"otherwise")
    with pytest.raises(StackError, match="other bytes than its name says"):
        objects.unpack(store, tmp_path / "t.tar")


def test_fingerprints_tell_keys_apart_and_nothing_else():
    assert manifest.fingerprint("a") != manifest.fingerprint("b")
    assert "secret" not in manifest.fingerprint("secret")
    assert manifest.fingerprint("") == ""


def test_a_disk_that_is_full_is_said_and_leaves_nothing(home, tmp_path):
    disk = tmp_path / "disk"
    disk.mkdir()
    if os.geteuid() or subprocess.run(["mount", "-t", "tmpfs", "-o", "size=48k", "tmpfs", disk], capture_output=True).returncode:
        pytest.skip("this machine lets nobody mount a small disk")
    the_store().write("runs/a/b/c/large.json", os.urandom(100_000))
    try:
        with pytest.raises(StackError, match=r"No space left on device.*Make room"):
            backup(None, disk / "b", with_content=False)
        assert list(disk.iterdir()) == []
    finally:
        subprocess.run(["umount", disk], check=True)


def test_a_store_that_does_not_answer_is_said(home, tmp_path, monkeypatch):
    monkeypatch.setenv("VISIONLOOP_STORE", "s3://visionloop")
    monkeypatch.setattr(reach.stacks, "supervisor", lambda home: object())  # it runs, but its S3 server does not answer
    with pytest.raises(StackError, match="s3://visionloop does not answer"):
        backup(None, tmp_path / "b", with_content=False)
    assert not (tmp_path / "b.part").exists()


@pytest.mark.integration
def test_the_embedded_s3_server_is_started_for_it_and_ended(home, tmp_path, monkeypatch):
    """Of a stack that is stopped, and whose disk is lost in between."""
    monkeypatch.setenv("VISIONLOOP_STORE", "s3://visionloop")
    place = reach.place_of("embedded")
    with reach.reachable(place, start=True):
        for key, data in (CARDS | CONTENT | PASSING).items():
            the_store().write(key, data)
    folder = backup(None, tmp_path / "b", with_content=True)
    shutil.rmtree(home.path / "s3")
    shutil.rmtree(home.airflow)
    (home.path / "mlflow.db").unlink()
    restore(None, folder, force=False, yes=True)
    with reach.reachable(place, start=True):
        assert state(home) == (["run", "run"], CARDS | CONTENT)
    assert is_free(home.stack().ports["s3"])


DEAF = """
import http.server, signal
signal.signal(signal.SIGTERM, signal.SIG_IGN)
http.server.HTTPServer(("127.0.0.1", {port}), http.server.SimpleHTTPRequestHandler).serve_forever()
"""


def test_an_s3_server_that_does_not_end_is_killed(home, monkeypatch):
    """A stop that hangs failed a restore that was done."""
    monkeypatch.setenv("VISIONLOOP_STORE", "s3://visionloop")
    monkeypatch.setattr(reach, "_keeps_objects", lambda: True)
    port = home.stack().ports["s3"]
    deaf = Service("s3", (sys.executable, "-c", DEAF.format(port=port)), ready=f"http://127.0.0.1:{port}", stop_wait_s=1)
    monkeypatch.setattr(reach, "seaweedfs", lambda home, stack: deaf)
    with reach.reachable(reach.place_of("embedded"), start=True):
        assert not is_free(port)
    assert is_free(port)
