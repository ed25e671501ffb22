"""The bucket: does the server answer, let us in, and keep what it is given as docs/storage_policy.md wants it?"""

from __future__ import annotations

import uuid
from collections.abc import Callable
from urllib.parse import urlparse

import httpx
from obstore.exceptions import BaseError

from cli.doctor import clock
from cli.doctor.finding import Finding, fail, ok
from cli.place import Place
from include.errors import ConfigError
from include.storage import Store, open_store

PATIENCE_S = 5.0
TRIED = "runs/visionloop-doctor"
KEYS = "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
POLICY = "docs/storage_policy.md has the policy that allows it"


def check(place: Place) -> list[Finding]:
    """Reads AWS_… of this process's environment."""
    url = place.settings["VISIONLOOP_STORE"]
    try:
        store = open_store(url, within_s=PATIENCE_S)
    except (ConfigError, OSError) as error:
        return [fail("store", str(error), "set VISIONLOOP_STORE to s3://bucket/prefix")]
    if store.folder is not None:
        said = _trial(store)
        if place.runtime == "docker":
            said.append(
                fail("store", f"{url} is a folder, which no container sees", "set VISIONLOOP_STORE to s3://bucket/prefix")
            )
        return said
    server, answers = _server(place)
    if not answers:
        return server
    return server + (_bucket(store) or _trial(store))


def _server(place: Place) -> tuple[list[Finding], bool]:
    region = place.settings.get("AWS_REGION") or "us-east-1"
    endpoint = place.settings.get("AWS_ENDPOINT_URL_S3") or place.settings.get("AWS_ENDPOINT_URL")
    endpoint = endpoint or f"https://s3.{region}.amazonaws.com"
    try:
        answer = httpx.get(endpoint, timeout=PATIENCE_S)
    except httpx.HTTPError as error:
        remedy = f"start it (`{place.up}`), or set AWS_ENDPOINT_URL to where it is"
        return [fail("S3 server", f"{endpoint} does not answer ({error})", remedy)], False
    return [ok("S3 server", f"{endpoint} answers"), *clock.compare("the S3 server", answer.headers)], True


def _bucket(store: Store) -> list[Finding]:
    """What is wrong with it; nothing where it can be listed."""
    bucket = urlparse(store.url).netloc
    try:
        next(iter(store.list(TRIED)), None)
    except (BaseError, OSError) as error:
        return [_explained(bucket, str(error))]
    return []


def _explained(bucket: str, said: str) -> Finding:
    if "NoSuchBucket" in said:
        return fail("bucket", f"there is no bucket {bucket}", "create it, or set VISIONLOOP_STORE to the one that there is")
    if "InvalidAccessKeyId" in said or "SignatureDoesNotMatch" in said:
        which = "does not know AWS_ACCESS_KEY_ID" if "InvalidAccessKeyId" in said else "refuses AWS_SECRET_ACCESS_KEY"
        return fail("credentials", f"the S3 server {which}", f"set {KEYS} to those that the server was started with")
    if "RequestTimeTooSkewed" in said:
        return fail("clock", "the S3 server refuses the time of this machine", clock.REMEDY)
    if "AccessDenied" in said or "403" in said:
        return fail("bucket", f"the key may not list {bucket}", f"allow it s3:ListBucket: {POLICY}")
    return fail("bucket", f"{bucket}: {said.splitlines()[0][:300]}", "see the S3 server's log")


def _is_deleted(store: Store, key: str) -> bool:
    store.delete(key)
    return not store.exists(key)


def _trial(store: Store) -> list[Finding]:
    """Write, write again, read, delete: as steps do."""
    key, data = f"{TRIED}/{uuid.uuid4().hex}.json", b'{"by": "visionloop doctor"}'
    made: list[bool] = []
    tried: list[tuple[str, str, Callable[[], bool]]] = [
        ("write", "s3:PutObject", lambda: store.create(key, data)),
        ("create-only", "", lambda: not store.create(key, b"{}")),
        ("read", "s3:GetObject", lambda: store.read(key) == data),
        ("delete below runs/", "s3:DeleteObject on runs/*", lambda: _is_deleted(store, key)),
    ]
    for what, action, attempt in tried:
        try:
            is_well = attempt()
        except (BaseError, OSError) as error:
            line = str(error).splitlines()[0][:300]
            if "space" in line.lower():
                return [fail("store", f"{store.url}: {line}", "its disk is full: make room")]
            return [fail("store", f"cannot {what} in {store.url}: {line}", f"allow {action}: {POLICY}")]
        if not is_well and what == "create-only":
            store.delete(key)
            remedy = "use a server that knows If-None-Match (MinIO, SeaweedFS, Ceph, AWS): cards would be overwritten on this one"
            return [fail("store", f"{store.url} overwrites what a create-only write must leave alone", remedy)]
        made.append(is_well)
    if not all(made):
        return [fail("store", f"{store.url} did not give back what was written", "see the S3 server's log and disk")]
    return [ok("store", f"{store.url}: list, write, create-only, read and delete work")]
