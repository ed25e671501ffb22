"""checkout, dvc export, dvc import: versions to and from local folders and DVC."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bar

from cli.dataset.app import Json, Version, app, open_here, show_json, version_at
from cli.dataset.change import Near, derive_by_hand
from cli.dataset.files import Classes, Format, Group, LabelPaths, Outside, Split, rules
from cli.home import say
from include.step.by_hand import person
from include.storage import ContentStore
from include.versions.copies import dvc as dvc_files
from include.versions.copies.access import record_access
from include.versions.copies.checkout import check_out
from include.versions.copies.fetch import link_of
from include.versions.copies.hash_cache import HashCache
from include.versions.copies.upload import Progress
from include.versions.listing import read_listing

dvc_app = typer.Typer(help="Give a version to a stock dvc, or take a folder that dvc tracks.", no_args_is_help=True)
app.add_typer(dvc_app, name="dvc")
Folder = Annotated[Path, typer.Argument(help="made if it is not there", metavar="FOLDER")]


@contextmanager
def progress_bar(what: str) -> Iterator[Progress | None]:
    """On a terminal, a bar to report to; elsewhere None."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield None
        return
    numbers = TextColumn("{task.fields[done]:,} of {task.fields[of]:,} files, {task.fields[mb]:.1f} MB")
    with Bar(TextColumn(what), BarColumn(), numbers, TimeRemainingColumn(), console=console, transient=True) as bar:
        task = bar.add_task(what, total=None, done=0, of=0, mb=0.0)

        def report(done: int, total: int, moved_bytes: int) -> None:
            bar.update(task, completed=done, total=total, done=done, of=total, mb=moved_bytes / 1e6)

        yield report


def here(folder: Path) -> str:
    """The machine and the folder."""
    return f"{socket.gethostname()}:{folder.resolve()}"


@app.command()
def checkout(
    version: Version,
    folder: Folder,
    link: Annotated[str, typer.Option(help="copy, hard or sym; links only where the store is a folder, else copies")] = "copy",
    force: Annotated[bool, typer.Option("--force", help="replace files that no checkout wrote")] = False,
    delete: Annotated[
        bool, typer.Option("--delete", help="remove what earlier checkouts wrote and this version has not (--force: all else)")
    ] = False,
    json: Json = False,
) -> None:
    """A version into a folder. What is there already stays; killed and started again, it goes on."""
    store = open_here()
    card = version_at(store, version)
    kind = link_of(link)
    files = read_listing(ContentStore(store), card.digest)
    record_access(store, card, person(), "checkout", here(folder))
    with HashCache(folder) as cache, progress_bar(f"checkout {card.label}") as progress:
        done = check_out(
            ContentStore(store), files, folder, cache, link=kind, force=force, delete=delete, progress=progress
        )  # fmt: skip
    if json:
        return show_json({"version": card.label, "digest": card.digest, "folder": str(folder.resolve()), **asdict(done)})
    say(f"{card.label} is in {folder}: {done.files:,} files; {done.written:,} written ({done.written_bytes / 1e6:.1f} MB), "
        f"{done.kept:,} were there, {done.removed:,} removed, {done.left:,} others left alone")  # fmt: skip


@dvc_app.command("export")
def export_version(version: Version, folder: Folder, json: Json = False) -> None:
    """Write <name>.dvc and the remote into a folder, so that a stock `dvc pull` there fetches the version."""
    store = open_here()
    card = version_at(store, version)
    path = dvc_files.export(store, card, folder)
    record_access(store, card, person(), "dvc export", here(folder))
    remote = dvc_files.remote_of(store)
    if json:
        return show_json({"version": card.label, "dvc_file": str(path.resolve()), **asdict(remote)})
    say(f"{path} names {card.label} (md5 {card.digest}.dir); its files are at {remote.url}")
    say(f"  cd {path.parent} && dvc pull {path.name}    (credentials: AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY)")


@dvc_app.command("import")
def import_folder(
    dvc_file: Annotated[Path, typer.Argument(help="the .dvc file of a tracked folder", metavar="FILE.dvc")],
    name: Annotated[str | None, typer.Option("--name", help="the dataset that gets the version (default: the path's)")] = None,
    remote: Annotated[str | None, typer.Option(help="a folder or s3://… (default: what the .dvc/config says)")] = None,
    endpoint: Annotated[str | None, typer.Option(help="the remote's S3 server (default: the .dvc/config's)")] = None,
    format_: Format = "coco",
    labels: LabelPaths = None,
    classes: Classes = None,
    split: Split = None,
    group: Group = None,
    outside: Outside = "refuse",
    near: Near = "block",
    json: Json = False,
) -> None:
    """A folder that dvc tracks becomes a version with the same digest; what the store has is not sent again."""
    tracked = dvc_files.read_dvc_file(dvc_file)
    found = dvc_files.Remote(remote, endpoint) if remote else dvc_files.find_remote(dvc_file, tracked)
    url = found.url if "://" in found.url else str(Path(found.url).resolve())
    do = {"operation": "import_dvc", "digest": tracked.digest, "remote": url, "endpoint": endpoint or found.endpoint}
    do |= rules(format_, labels, classes, split, group, outside)
    derive_by_hand([], do, name or Path(tracked.path).name, near, json)
