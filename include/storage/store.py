"""One bucket prefix (S3, any S3-compatible server, or a folder), read and written by key.

Keys are relative to the prefix and use `/`. Opened from a URL: `s3://bucket/prefix` or `file:///folder`. Credentials and
endpoint come from the usual AWS variables (AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_ENDPOINT_URL, AWS_REGION).
"""

from __future__ import annotations

import io
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlparse

import obstore
from obstore.exceptions import AlreadyExistsError
from obstore.store import LocalStore, ObjectStore, S3Store

from include.errors import ConfigError
from include.storage.ranges import as_file

if TYPE_CHECKING:
    from obstore.store import ClientConfig, RetryConfig

CHUNK_BYTES = 4 * 2**20


@dataclass(frozen=True, slots=True)
class Entry:
    """One object of a listing; `etag` changes when the object's bytes change."""

    key: str
    size_bytes: int
    etag: str
    modified: datetime


class Store:
    """The bucket prefix. Absent keys raise FileNotFoundError."""

    def __init__(self, url: str, backend: ObjectStore) -> None:
        self.url = url.rstrip("/")
        self.backend = backend

    def read(self, key: str) -> bytes:
        return bytes(obstore.get(self.backend, key).bytes())

    def chunks(self, key: str) -> Iterator[obstore.Bytes | bytes]:
        """The bytes in pieces: a small object whole, a large one a few MB at a time."""
        answer = obstore.get(self.backend, key)
        if answer.meta["size"] <= CHUNK_BYTES:
            yield answer.bytes()
        else:
            yield from answer.stream(min_chunk_size=CHUNK_BYTES)

    def start_of(self, key: str, length: int) -> bytes:
        """The first bytes, fewer where there are not so many. An empty object has none."""
        return bytes(obstore.get_range(self.backend, key, start=0, length=length)) if length else b""

    def open(self, key: str) -> io.BufferedReader:
        """As a file, of which only what is read comes here: the header of a large image."""
        size_bytes = int(obstore.head(self.backend, key)["size"])
        return as_file(
            lambda start, length: bytes(obstore.get_range(self.backend, key, start=start, length=length)), size_bytes
        )  # fmt: skip

    def copy(self, key: str, to: str) -> None:
        """Within the store: no byte comes here."""
        obstore.copy(self.backend, key, to)

    def write(self, key: str, data: bytes) -> None:
        """Write or overwrite. For what may change: logs, progress, pages."""
        obstore.put(self.backend, key, data)

    def write_whole(self, key: str, data: bytes) -> None:
        """Write or overwrite in one request, whatever the size: so the entry's etag is the md5."""
        obstore.put(self.backend, key, data, use_multipart=False)

    def write_chunks(self, key: str, chunks: Iterator[bytes]) -> None:
        """Write or overwrite what is too large for memory. The key holds nothing new if `chunks` raises.

        They are drawn in a thread of their own, one ahead: obstore cannot read one object from within writing another.
        """
        with ThreadPoolExecutor(1) as reader:

            def ahead() -> Iterator[bytes]:
                waiting = reader.submit(next, chunks, None)
                while (chunk := waiting.result()) is not None:
                    waiting = reader.submit(next, chunks, None)
                    yield chunk

            obstore.put(self.backend, key, ahead(), use_multipart=True, chunk_size=CHUNK_BYTES * 2, max_concurrency=2)

    @property
    def folder(self) -> Path | None:
        """Where the objects lie as files, for a file:// store."""
        return Path(urlparse(self.url).path) if self.url.startswith("file:") else None

    def create(self, key: str, data: bytes) -> bool:
        """Write only where nothing is yet. True if this call wrote it, False if the key was taken."""
        try:
            obstore.put(self.backend, key, data, mode="create", use_multipart=False)
        except AlreadyExistsError:
            return False
        return True

    def exists(self, key: str) -> bool:
        try:
            obstore.head(self.backend, key)
        except FileNotFoundError:
            return False
        return True

    def list(self, prefix: str) -> Iterator[Entry]:
        """Every object below `prefix` (a folder: a trailing slash is implied), in key order within each page."""
        for page in obstore.list(self.backend, prefix.rstrip("/") + "/" if prefix else None):
            for meta in page:
                yield Entry(meta["path"], meta["size"], (meta["e_tag"] or "").strip('"'), meta["last_modified"])

    def delete_many(self, keys: Sequence[str]) -> None:
        """Remove, a thousand with one request where the server can; absent keys are no error. All is done when this returns."""
        if isinstance(self.backend, LocalStore):  # it would stop at the first absent key, with other deletions still under way
            for key in keys:
                self.delete(key)
            return
        for start in range(0, len(keys), 1000):
            obstore.delete(self.backend, list(keys[start : start + 1000]))

    def delete(self, key: str) -> None:
        """Remove; an absent key is no error."""
        try:
            obstore.delete(self.backend, key)
        except FileNotFoundError:
            return


def environment_endpoint() -> str | None:
    """Of the S3 server; None: the region's own."""
    return os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL") or None


def open_store(url: str, endpoint: str | None = None, within_s: float | None = None) -> Store:
    """The store at `url`; of the S3 server at `endpoint`, or the environment's. Raises ConfigError for a URL it cannot serve.

    `within_s`: how long one request may be tried; None: for minutes, as obstore does, which outlasts a restart of the server.
    """
    parts = urlparse(url)
    if parts.scheme == "file":
        folder = Path(parts.path)
        folder.mkdir(parents=True, exist_ok=True)
        return Store(url, LocalStore(folder))
    if parts.scheme == "s3" and parts.netloc:
        endpoint = endpoint or environment_endpoint()
        retries: RetryConfig | None = None
        options: ClientConfig = {"allow_http": bool(endpoint and endpoint.startswith("http://"))}
        if within_s is not None:
            retries = {"max_retries": 2, "retry_timeout": timedelta(seconds=within_s)}
            options["timeout"] = options["connect_timeout"] = f"{within_s:g}s"
        backend = S3Store(
            parts.netloc,
            prefix=parts.path.strip("/") or None,
            endpoint=endpoint,
            region=os.environ.get("AWS_REGION", "us-east-1"),
            client_options=options,
            retry_config=retries,
        )
        return Store(url, backend)
    raise ConfigError(f"VISIONLOOP_STORE: got {url!r}, expected s3://bucket/prefix or file:///folder")
