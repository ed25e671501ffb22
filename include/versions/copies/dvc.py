"""What a stock `dvc` reads and writes beside the objects: .dvc files, and the remote in .dvc/config. Never a secret.

Formats: https://dvc.org/doc/user-guide/project-structure/dvc-files and …/configuration. DVC 3 only: `hash: md5`.
"""

from __future__ import annotations

import configparser
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from include.artifacts import DatasetVersion
from include.errors import BadInputError, ConfigError
from include.storage import ContentStore, Store
from include.storage.store import environment_endpoint
from include.versions.listing import DIR, dvc_file, read_listing

REMOTE = "visionloop"


@dataclass(frozen=True)
class Remote:
    """Where a DVC repository's objects are: a URL, and the S3 server where it is not Amazon's."""

    url: str
    endpoint: str | None = None


def remote_of(store: Store) -> Remote:
    if store.folder is not None:
        return Remote(str(store.folder.resolve()))
    return Remote(store.url, environment_endpoint())


def export(store: Store, version: DatasetVersion, folder: Path) -> Path:
    """Write <folder>/<name>.dvc, and the remote into .dvc/config there (or of the repository that the folder is in).

    Returns the .dvc file, for `dvc pull`. Raises ConfigError rather than change what someone else wrote.
    """
    path = folder / f"{version.name}.dvc"
    if path.exists() and read_dvc_file(path).path != version.name:
        raise ConfigError(f"{path}: tracks another path; expected {version.name}: choose another folder")
    folder.mkdir(parents=True, exist_ok=True)
    write_remote(repository_of(folder) or folder, remote_of(store))
    files = len(read_listing(ContentStore(store), version.digest))
    text = dvc_file(version.digest, version.size_bytes, files, version.name)
    path.write_text(f"{text}  remote: {REMOTE}\n")
    return path


def repository_of(folder: Path) -> Path | None:
    """The nearest folder upwards that has a .dvc folder."""
    return next((one for one in (folder.resolve(), *folder.resolve().parents) if (one / ".dvc").is_dir()), None)


def write_remote(repository: Path, remote: Remote) -> None:
    """Add the remote; in a new repository it is the default one. Raises ConfigError if the name is taken by another URL."""
    path = repository / ".dvc" / "config"
    known = read_config(path)
    section = f"'remote \"{REMOTE}\"'"
    if section in known:
        if (found := known[section].get("url")) != remote.url or known[section].get("endpointurl") != remote.endpoint:
            raise ConfigError(f"{path}: remote {REMOTE!r} is {found}, expected {remote.url}: rename or remove it there")
        return
    lines = [f"[{section}]", f"    url = {remote.url}"]
    if remote.endpoint:
        lines.append(f"    endpointurl = {remote.endpoint}")
    if remote.url.startswith("s3:"):
        lines.append(f"    region = {os.environ.get('AWS_REGION', 'us-east-1')}")
    lines.append("    verify = true")  # without it `dvc pull` takes damaged objects and says nothing
    if not path.exists():
        is_in_git = any((one / ".git").exists() for one in (repository.resolve(), *repository.resolve().parents))
        lines = ["[core]", f"    remote = {REMOTE}", *([] if is_in_git else ["    no_scm = True"]), *lines]
    path.parent.mkdir(parents=True, exist_ok=True)
    before = path.read_text() if path.exists() else ""
    path.write_text(before + ("\n" if before and not before.endswith("\n") else "") + "\n".join(lines) + "\n")


def read_config(path: Path) -> configparser.ConfigParser:
    """A .dvc/config; empty where there is none."""
    parser = configparser.ConfigParser(interpolation=None, strict=False)
    try:
        parser.read(path)
    except configparser.Error as error:
        raise ConfigError(f"{path}: not a DVC configuration: {str(error).splitlines()[0]}") from None
    return parser


@dataclass(frozen=True)
class Tracked:
    """What a .dvc file says: the directory object, the path that it tracks, the remote that it names."""

    digest: str
    path: str
    remote: str | None


def read_dvc_file(path: Path) -> Tracked:
    """Raises BadInputError for what is not a folder tracked by DVC 3."""
    try:
        content = yaml.safe_load(path.read_text())
        (out,) = content["outs"]
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}; expected the .dvc file of a tracked folder") from None
    except (yaml.YAMLError, UnicodeDecodeError, KeyError, TypeError, ValueError):
        raise BadInputError(f"{path}: expected a .dvc file with one entry under `outs`") from None
    return _tracked(out, path)


def _tracked(out: Any, path: Path) -> Tracked:
    md5 = str(out.get("md5", "")) if isinstance(out, dict) else ""
    if not re.fullmatch(rf"[0-9a-f]{{32}}{re.escape(DIR)}", md5):
        raise BadInputError(f"{path}: got md5 {md5!r}, expected <32 hex digits>.dir: track a folder, not a file, in a DVC remote")
    if out.get("hash") != "md5":
        raise BadInputError(f"{path}: lacks `hash: md5`: written by DVC 2; run `dvc add {out.get('path')}` with DVC 3 and push")
    return Tracked(md5.removesuffix(DIR), str(out.get("path", path.stem)), out.get("remote"))


def find_remote(path: Path, tracked: Tracked) -> Remote:
    """The remote of a .dvc file, by its repository's configuration. Raises ConfigError if there is none."""
    repository = repository_of(path.parent)
    if repository is None:
        raise ConfigError(f"{path}: no .dvc folder here or above; say where its objects are with --remote")
    parsers = [read_config(repository / ".dvc" / name) for name in ("config", "config.local")]

    def asked(section: str, key: str) -> str | None:
        return next((one[section][key] for one in reversed(parsers) if one.has_option(section, key)), None)

    name = tracked.remote or asked("core", "remote")
    section = f"'remote \"{name}\"'"
    url = asked(section, "url") if name else None
    if url is None:
        raise ConfigError(f"{repository / '.dvc/config'}: no url for remote {name!r}; add it, or use --remote")
    if not re.match(r"[a-z0-9]+://", url):  # a local path counts from the configuration's folder
        url = str((repository / ".dvc" / url).resolve())
    return Remote(url, asked(section, "endpointurl"))
