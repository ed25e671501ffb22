"""Copies of databases that are in use: SQLite's by its own backup call, PostgreSQL's by pg_dump; and back."""

from __future__ import annotations

import os
import sqlite3
import subprocess
from collections.abc import Iterable
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Protocol

from cli.home import StackError

USER = "visionloop"
# Of each its table of runs; Airflow's database is copied first: docs/backup.md
COUNTED = {"airflow": "dag_run", "mlflow": "runs", "label_studio": "project"}


class Databases(Protocol):
    """Of one stack, by name, in the order in which they are to be copied."""

    kind: str
    names: tuple[str, ...]

    def file(self, name: str) -> str: ...

    def dump(self, name: str, to: Path) -> None: ...

    def restore(self, name: str, file: Path) -> None:
        """In place of what there is. Raises StackError."""
        ...

    def rows(self, name: str) -> int:
        """How many runs it knows; 0 where there is no such database or table."""
        ...


class Sqlite:
    """The embedded stack's."""

    kind = "sqlite"

    def __init__(self, paths: dict[str, Path]) -> None:
        self.paths, self.names = paths, tuple(name for name in COUNTED if name in paths)

    def file(self, name: str) -> str:
        return f"{name}.db"

    def dump(self, name: str, to: Path) -> None:
        source = self.paths[name]
        if not source.exists():
            raise StackError(f"{source} does not exist: there is nothing to back up")
        with closing(sqlite3.connect(f"file:{source}?mode=ro", uri=True)) as live, closing(sqlite3.connect(to)) as copy:
            try:
                live.backup(copy)
                copy.execute("PRAGMA journal_mode = DELETE")  # one file, without the -wal beside it
                said = copy.execute("PRAGMA integrity_check").fetchone()[0]
            except sqlite3.DatabaseError as error:
                said = str(error)
        if said != "ok":
            raise StackError(f"{source} cannot be copied whole: {said}")

    def restore(self, name: str, file: Path) -> None:
        target = self.paths[name]
        target.parent.mkdir(parents=True, exist_ok=True)
        aside = target.with_name(target.name + ".restoring")
        aside.unlink(missing_ok=True)
        with closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True)) as kept, closing(sqlite3.connect(aside)) as copy:
            kept.backup(copy)
        for suffix in ("-wal", "-shm"):  # of the one that is replaced
            target.with_name(target.name + suffix).unlink(missing_ok=True)
        aside.replace(target)

    def rows(self, name: str) -> int:
        if not self.paths[name].exists():
            return 0
        with closing(sqlite3.connect(f"file:{self.paths[name]}?mode=ro", uri=True)) as live:
            try:
                return int(live.execute(f"SELECT count(*) FROM {COUNTED[name]}").fetchone()[0])
            except sqlite3.OperationalError:
                return 0


class Postgres:
    """The team's. `command`: runs PostgreSQL's programs beside the server, `docker exec …`, which passes PGPASSWORD on."""

    kind = "postgres"

    def __init__(self, command: tuple[str, ...], names: Iterable[str] | None = None, password: str = "") -> None:
        """`names`: None for those that the server has."""
        self.command, self.password = command, password
        there = self.ask("postgres", "SELECT datname FROM pg_database").split() if names is None else tuple(names)
        self.names = tuple(name for name in COUNTED if name in there)

    def file(self, name: str) -> str:
        return f"{name}.pgdump"

    def _run(self, program: str, *words: str, stdin: Path | None = None, stdout: Path | None = None) -> str:
        with ExitStack() as opened:
            into = opened.enter_context(open(stdout, "wb")) if stdout else subprocess.PIPE
            source = opened.enter_context(open(stdin, "rb")) if stdin else subprocess.DEVNULL
            done = subprocess.run(
                [*self.command, program, "--username", USER, *words], stdin=source, stdout=into, stderr=subprocess.PIPE,
                env=os.environ | {"PGPASSWORD": self.password}, check=False,
            )  # fmt: skip
        if done.returncode != 0:
            said = done.stderr.decode(errors="replace").strip().splitlines() or [f"exit code {done.returncode}"]
            raise StackError(f"{program}: {said[-1]}")
        return "" if stdout else done.stdout.decode()

    def ask(self, database: str, question: str) -> str:
        """The answer to a query, a line for each row."""
        return self._run("psql", f"--dbname={database}", "--tuples-only", "--no-align", "--command", question)

    def dump(self, name: str, to: Path) -> None:
        self._run("pg_dump", "--format=custom", "--no-owner", name, stdout=to)

    def restore(self, name: str, file: Path) -> None:
        """Into a new database, which then takes the old one's place: one that is cut short leaves that as it was."""
        aside = f"{name}_restoring"
        self._run("dropdb", "--if-exists", "--force", aside)
        self._run("createdb", aside)
        self._run("pg_restore", "--exit-on-error", "--no-owner", f"--dbname={aside}", stdin=file)
        self._run("dropdb", "--if-exists", "--force", name)
        self._run("psql", "--dbname=postgres", "--quiet", "--command", f'ALTER DATABASE "{aside}" RENAME TO "{name}"')

    def rows(self, name: str) -> int:
        try:
            if self.ask(name, f"SELECT to_regclass('public.{COUNTED[name]}') IS NOT NULL").strip() != "t":
                return 0
            return int(self.ask(name, f"SELECT count(*) FROM {COUNTED[name]}"))
        except StackError as error:
            if "does not exist" in str(error):
                return 0
            raise
