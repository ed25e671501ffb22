"""Copies of databases that are in use, and back. PostgreSQL is Debian's, started here."""

import os
import shutil
import socket
import sqlite3
import subprocess
from contextlib import closing
from pathlib import Path

import pytest

from cli.backup.databases import Postgres, Sqlite
from cli.home import StackError

PROGRAMS = Path("/usr/lib/postgresql/15/bin")


@pytest.fixture
def live(tmp_path):
    """Airflow's database with two runs, one of them only in the write-ahead log."""
    path = tmp_path / "airflow.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA wal_autocheckpoint = 0")
        connection.execute("CREATE TABLE dag_run (id INTEGER PRIMARY KEY, note TEXT)")
        connection.execute("INSERT INTO dag_run (note) VALUES ('first')")
        connection.commit()
        connection.execute("INSERT INTO dag_run (note) VALUES ('second')")
        connection.commit()
        yield path, connection


def notes(path):
    with closing(sqlite3.connect(path)) as connection:
        return [one for (one,) in connection.execute("SELECT note FROM dag_run ORDER BY id")]


def test_a_database_in_use_is_copied_whole_and_comes_back(live, tmp_path):
    path, connection = live
    assert path.with_name("airflow.db-wal").stat().st_size > 0
    databases = Sqlite({"airflow": path})
    databases.dump("airflow", tmp_path / "copy")
    connection.execute("DELETE FROM dag_run")
    connection.commit()
    connection.close()
    assert (notes(tmp_path / "copy"), databases.rows("airflow")) == (["first", "second"], 0)
    databases.restore("airflow", tmp_path / "copy")
    assert notes(path) == ["first", "second"]
    assert databases.rows("airflow") == 2
    assert sorted(one.name for one in tmp_path.iterdir()) == ["airflow.db", "copy"], "no -wal of the one that was replaced"


def test_a_database_that_is_damaged_or_not_there_is_said(live, tmp_path):
    path, connection = live
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()
    with open(path, "r+b") as file:
        file.seek(4096)
        file.write(b"\xff" * 4096)
    with pytest.raises(StackError, match="cannot be copied whole"):
        Sqlite({"airflow": path}).dump("airflow", tmp_path / "copy")
    with pytest.raises(StackError, match="nothing to back up"):
        Sqlite({"mlflow": tmp_path / "none.db"}).dump("mlflow", tmp_path / "copy")


@pytest.fixture(scope="module")
def postgres(tmp_path_factory):
    """The command that reaches it, as `docker exec` does in the team's stack."""
    if not PROGRAMS.exists() or os.geteuid():
        pytest.skip("needs Debian's postgresql-15, and root to start it as another user")
    folder = Path("/tmp") / f"pg-{os.getpid()}"
    folder.mkdir()
    shutil.chown(folder, "postgres")
    as_postgres = ("setpriv", "--reuid=postgres", "--regid=postgres", "--init-groups")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]

    def run(*words):
        subprocess.run([*as_postgres, *words], check=True, capture_output=True, cwd="/")

    try:
        run(PROGRAMS / "initdb", "-D", folder / "data", "-U", "visionloop", "--auth=trust", "--encoding=UTF8", "--no-sync")
        options = f"-c listen_addresses=127.0.0.1 -p {port} -k {folder}"
        run(PROGRAMS / "pg_ctl", "-D", folder / "data", "-w", "-l", folder / "log", "-o", options, "start")
        yield ("env", f"PATH={PROGRAMS}:/usr/bin:/bin", f"PGHOST={folder}", f"PGPORT={port}")
    finally:
        subprocess.run(
            [*as_postgres, PROGRAMS / "pg_ctl", "-D", folder / "data", "-m", "immediate", "stop"], capture_output=True, cwd="/"
        )
        shutil.rmtree(folder)


def sql(command, database, text):
    words = [*command, "psql", "-U", "visionloop", "-d", database, "-Atc", text]
    return subprocess.run(words, check=True, capture_output=True, text=True).stdout.split()


@pytest.mark.integration
def test_postgresql_comes_back_as_it_was(postgres, tmp_path):
    databases = Postgres(postgres, ("mlflow", "airflow", "other"))
    assert databases.names == ("airflow", "mlflow"), "Airflow's first"
    assert databases.rows("airflow") == 0, "there is none yet"
    sql(postgres, "postgres", "CREATE DATABASE airflow")
    assert databases.rows("airflow") == 0, "nothing is in it yet"
    sql(
        postgres,
        "airflow",
        "CREATE TABLE dag_run (id serial PRIMARY KEY, note text); INSERT INTO dag_run (note) VALUES ('a'), ('b')",
    )
    assert databases.rows("airflow") == 2
    databases.dump("airflow", tmp_path / "airflow.pgdump")
    sql(postgres, "airflow", "DELETE FROM dag_run; CREATE TABLE later (id int)")
    databases.restore("airflow", tmp_path / "airflow.pgdump")
    assert sql(postgres, "airflow", "SELECT note FROM dag_run ORDER BY id") == ["a", "b"]
    assert sql(postgres, "airflow", "SELECT to_regclass('public.later') IS NULL") == ["t"]
    assert sql(postgres, "airflow", "INSERT INTO dag_run (note) VALUES ('c') RETURNING id")[0] == "3", "it goes on counting"


@pytest.mark.integration
def test_a_dump_that_is_cut_short_leaves_the_database_as_it_was(postgres, tmp_path):
    databases = Postgres(postgres, ("mlflow",))
    sql(postgres, "postgres", "CREATE DATABASE mlflow")
    sql(postgres, "mlflow", "CREATE TABLE runs AS SELECT n, repeat(md5(n::text), 20) AS t FROM generate_series(1, 20000) AS n")
    databases.dump("mlflow", tmp_path / "whole")
    (tmp_path / "cut").write_bytes((tmp_path / "whole").read_bytes()[:-100_000])
    with pytest.raises(StackError, match="pg_restore"):
        databases.restore("mlflow", tmp_path / "cut")
    assert databases.rows("mlflow") == 20000
    databases.restore("mlflow", tmp_path / "whole")
    assert databases.rows("mlflow") == 20000
