"""`visionloop backup` and `visionloop restore`."""

from __future__ import annotations

import os
import shutil
import subprocess
import tarfile
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path

import typer

from cli.backup import manifest, objects, reach
from cli.backup.databases import Databases
from cli.backup.manifest import Manifest
from cli.doctor.servers import locked
from cli.home import ROOT, StackError, say
from cli.place import Place
from include.definitions import SourceDefinition, read_definitions
from include.definitions.files import definitions_root
from include.storage import Store

OBJECTS = "store.tar"


def versions() -> dict[str, str]:
    """Of this checkout's locks."""
    return {"airflow": locked("apache-airflow", "airflow"), "mlflow": locked("mlflow", "mlflow")}


def content_of(place: Place) -> tuple[str, ...]:
    root = Path(place.settings.get("VISIONLOOP_DEFINITIONS") or definitions_root())
    sources = [one for _, one in read_definitions(SourceDefinition, root) if isinstance(one, SourceDefinition)]
    return (*objects.CONTENT, *sorted({one.prefix.strip("/") for one in sources if one.prefix}))


def commit() -> str:
    done = subprocess.run(["git", "-C", str(ROOT), "rev-parse", "HEAD"], capture_output=True, text=True, check=False)
    return done.stdout.strip() or "unknown"


def backup(which: str | None, to: Path | None, *, with_content: bool) -> Path:
    """Make one, of a stack that runs or not; returns its folder, which appears when it is whole."""
    place = reach.place_of(which)
    name = f"visionloop-{datetime.now(UTC):%Y%m%dT%H%M%SZ}"
    folder = to or Path("backups") / name
    if folder.exists():
        raise StackError(f"{folder} is there already: a backup is never written over")
    aside = folder.with_name(f"{folder.name}.part")
    if aside.exists():
        raise StackError(f"{aside} is of a backup that was cut short, or is being made: remove it, or name another folder")
    aside.mkdir(parents=True, mode=0o700)
    try:
        with reach.reachable(place, start=False):
            made = _write(place, reach.databases(place), reach.store_of(place), aside, with_content)
        aside.rename(folder)
    except OSError as error:
        raise StackError(f"{aside}: {error.strerror or error}; no backup was made. Make room, or name another folder") from None
    finally:
        shutil.rmtree(aside, ignore_errors=True)  # where it was not renamed
    size = sum(path.stat().st_size for path in folder.iterdir())
    content = "" if with_content else ", without content"
    say(f"{folder}: {', '.join(made.sha256)}; {made.objects} objects, {size / 1e6:.1f} MB{content}")
    return folder


def _write(place: Place, databases: Databases, store: Store, folder: Path, with_content: bool) -> Manifest:
    """Databases first, then the store: what a database names is there before the database names it (docs/backup.md)."""
    files = []
    for name in databases.names:
        files.append(databases.file(name))
        databases.dump(name, folder / files[-1])
    content = content_of(place)
    with tarfile.open(folder / OBJECTS, "w") as tar:
        count = objects.pack(store, objects.cards(store, content), tar)
        count += objects.pack(store, objects.contents(store, content), tar) if with_content else 0
    files.append(OBJECTS)
    _to_disk(folder / name for name in files)
    made = Manifest(
        made_at=manifest.now(), kind=databases.kind, stack=place.name, commit=commit(), versions=versions(),
        key=manifest.fingerprint(reach.key_of(place)), with_content=with_content, objects=count,
        sha256={name: manifest.sha256_of(folder / name) for name in files},
    )  # fmt: skip
    made.write(folder)
    _to_disk([folder / manifest.NAME])
    return made


def _to_disk(paths: Iterable[Path]) -> None:
    for path in paths:
        path.chmod(0o600)  # databases hold hashes of passwords
        with open(path, "rb") as file:
            os.fsync(file.fileno())


def restore(which: str | None, folder: Path, *, force: bool, yes: bool) -> None:
    """Put a backup into a stack that is stopped. Says first what it will do."""
    found = manifest.read(folder, versions())
    place = reach.place_of(which or ("embedded" if found.kind == "sqlite" else "team"), may_make=True)
    reach.check_stopped(place)
    with reach.reachable(place, start=True):
        databases, store = reach.databases(place), reach.store_of(place)
        _check_fits(found, place, databases, store, force)
        names = [name for name in (Path(file).stem for file in found.sha256 if file != OBJECTS)]
        say(_plan(found, folder, place, names))
        if not yes and not typer.confirm("Do it?"):
            raise StackError("nothing was done")
        written, same = objects.unpack(store, folder / OBJECTS)
        say(f"  store: {written} objects written, {same} were there already")
        for name in names:
            databases.restore(name, folder / databases.file(name))
            say(f"  {name}: its database is the backup's")
    say(f"restored. `{place.up}` starts the stack; then `./visionloop doctor`")


def _check_fits(found: Manifest, place: Place, databases: Databases, store: Store, force: bool) -> None:
    """Raises StackError."""
    if found.kind != databases.kind:
        raise StackError(
            f"the backup is of {found.stack}, with {found.kind}; {place.name} has {databases.kind}: restore it into its own kind"
        )
    if force:
        return
    full = [f"{name} knows {rows} runs" for name in databases.names if (rows := databases.rows(name))]
    full += [] if objects.is_empty(store) else [f"{store.url} holds cards"]
    if full:
        raise StackError(
            f"{place.name} is not empty ({'; '.join(full)}): --force replaces its databases and writes over its cards"
        )
    if found.key != manifest.fingerprint(reach.key_of(place)):
        raise StackError(
            "the stack has another AIRFLOW__CORE__FERNET_KEY than the backed-up one: connections could not be read. "
            "Put the old one back (.env; stack.json of the embedded stack); or --force, and enter them anew"
        )


def _plan(found: Manifest, folder: Path, place: Place, names: list[str]) -> str:
    content = "with content" if found.with_content else "without content: the store must still have, or get back, its files/"
    return (
        f"{folder}: made {found.made_at} of {found.stack}, commit {found.commit[:12]}, {content}\n"
        f"  into {place.name}:\n"
        f"  {found.objects} objects into {place.settings['VISIONLOOP_STORE']}: what is there and not in the backup stays\n"
        f"  the databases {', '.join(names)} replace those that are there"
    )
