"""The databases and the store of a stack, running or not: what backup and restore need of it."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager

from obstore.exceptions import BaseError

from cli import stack as stacks
from cli.backup.databases import Databases, Postgres, Sqlite
from cli.home import Home, Stack, StackError, choose_ports
from cli.place import Place, chosen
from cli.services import seaweedfs
from cli.team import app as compose_app
from cli.team import machine
from cli.when_ready import answers
from include.storage import Store, open_store

STORES = ("s3", "s3-seaweedfs")
NEEDED = ("postgres", *STORES)
READY_WITHIN_S, PROBED_S = 120, 5.0
TRIED = "runs/visionloop-doctor/restore.json"  # which backups leave out
# of images/airflow/bootstrap.py, which makes it where it is missing: on a new volume
MAKE_BUCKET = "import bootstrap; bootstrap.patiently(bootstrap.make_bucket, 'the S3 server')"


def place_of(which: str | None, *, may_make: bool = False) -> Place:
    """`may_make`: an embedded stack that is not there is made, without a start: to be restored into."""
    home = Home()
    if may_make and which == "embedded" and not home.stack_file.exists():
        stack = Stack()
        choose_ports(stack)
        home.save(stack)
    return chosen(which)


def databases(place: Place) -> Databases:
    if not place.is_team:
        return Sqlite({"airflow": place.folder / "airflow" / "airflow.db", "mlflow": place.folder / "mlflow.db"})
    found = [one for one in machine.containers(str(place.project)) if compose_app.service_of(one) == "postgres"]
    if not found:
        raise StackError("the stack's PostgreSQL is not there: `make up` starts it")
    command = ("docker", "exec", "-i", "-e", "PGPASSWORD", "-e", "PGHOST=127.0.0.1", found[0]["Id"])
    return Postgres(command, password=place.settings.get("VISIONLOOP_POSTGRES_PASSWORD", ""))


def _probe(url: str) -> None:
    """Raises BaseError where the bucket cannot be listed."""
    next(iter(open_store(url, within_s=PROBED_S).list("runs")), None)


def store_of(place: Place) -> Store:
    """Raises StackError where it does not answer, or does not let us in: within seconds, not after minutes of patience."""
    url = place.settings["VISIONLOOP_STORE"]
    try:
        _probe(url)
    except BaseError as error:
        said = str(error).splitlines()[0][:200]
        raise StackError(f"{url} does not answer as it should ({said}): `./visionloop doctor` says what to do") from None
    return open_store(url)


def check_stopped(place: Place) -> None:
    """Raises StackError where something could write while it is restored."""
    if place.is_team:
        running = {compose_app.service_of(one) for one in machine.containers(str(place.project)) if one["State"]["Running"]}
        if others := sorted(running - set(NEEDED)):
            raise StackError(f"{', '.join(others)} still run: stop the stack first (`make down`)")
    elif stacks.supervisor(Home(place.folder)) is not None:
        raise StackError("the stack is running: stop it first (`./visionloop down`)")


@contextmanager
def reachable(place: Place, *, start: bool) -> Iterator[None]:
    """With the databases and the S3 server up; `start`: those that are not are started."""
    os.environ.update({name: value for name, value in place.settings.items() if name.startswith(("VISIONLOOP_STORE", "AWS_"))})
    if place.is_team:
        if start:
            _start_servers(place)
        yield
    elif not place.settings["VISIONLOOP_STORE"].startswith("s3:") or stacks.supervisor(Home(place.folder)) is not None:
        yield
    else:
        with _seaweedfs_alone(Home(place.folder)):
            yield


def _start_servers(place: Place) -> None:
    profiles = place.settings.get("COMPOSE_PROFILES", "").split(",")
    servers = ["postgres", *(name for name, profile in zip(STORES, ("minio", "seaweedfs"), strict=True) if profile in profiles)]
    compose_app.compose("up", "--detach", *servers)
    started = time.monotonic()
    while True:
        found = [one for one in machine.containers(str(place.project)) if compose_app.service_of(one) in servers]
        if len(found) == len(servers) and all(map(compose_app.is_well, found)):
            break
        if time.monotonic() - started > READY_WITHIN_S:
            raise StackError(f"{', '.join(servers)} did not come up within {READY_WITHIN_S} s: `docker ps` shows which")
        time.sleep(0.5)
    compose_app.compose("run", "--rm", "--no-deps", "-T", "airflow-init", "python", "-c", MAKE_BUCKET)


def _keeps_objects() -> bool:
    """The bucket of a new disk is made some time after the server answers; old objects are found later still."""
    store = open_store(os.environ["VISIONLOOP_STORE"], within_s=PROBED_S)
    try:
        store.write(TRIED, b"{}")
        store.read(TRIED)
        store.delete(TRIED)
    except (BaseError, FileNotFoundError):
        return False
    return True


@contextmanager
def _seaweedfs_alone(home: Home) -> Iterator[None]:
    """The embedded stack's S3 server, without the rest."""
    stack = home.stack()
    service = seaweedfs(home, stack)
    with home.locked(), open(home.logs / "s3.log", "ab") as log:
        server = subprocess.Popen(service.command, stdout=log, stderr=log, env=os.environ | service.environment)
        try:
            started = time.monotonic()
            while not (answers(str(service.ready)) and _keeps_objects()):
                if server.poll() is not None or time.monotonic() - started > READY_WITHIN_S:
                    raise StackError(f"the S3 server does not come up; its log: {home.logs / 's3.log'}")
                time.sleep(0.2)
            yield
        finally:
            _stop(server, service.stop_wait_s)


def _stop(server: subprocess.Popen[bytes], within_s: int) -> None:
    """As supervisord does: a server that takes too long is killed, which costs no object that it answered for."""
    server.terminate()
    try:
        server.wait(within_s)
    except subprocess.TimeoutExpired:
        server.kill()
        server.wait()


def key_of(place: Place) -> str:
    """That Airflow encrypts connections with."""
    return str(place.settings.get("AIRFLOW__CORE__FERNET_KEY", ""))
