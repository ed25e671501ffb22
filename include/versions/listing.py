"""A dataset version's listing: a DVC directory object, byte for byte as `dvc add` makes it for the same folder.

DVC 3: `files/md5/<2>/<30>.dir` holds a JSON list of {"md5", "relpath"}, sorted by relpath; its md5 names it, and is the
version's digest.
"""

from __future__ import annotations

import json
from collections.abc import Mapping

from include.storage import ContentStore
from include.storage.content import md5_of

DIR = ".dir"
AT_ONCE = 4096  # entries that are dicts at a time: a million are ten times their text


def listing_bytes(files: Mapping[str, str]) -> bytes:
    """`files`: md5 by relpath."""
    names, pieces = sorted(files), []
    for start in range(0, len(names), AT_ONCE):
        entries = [{"md5": files[relpath], "relpath": relpath} for relpath in names[start : start + AT_ONCE]]
        pieces.append(json.dumps(entries)[1:-1])
    return f"[{', '.join(pieces)}]".encode()


def digest_of(files: Mapping[str, str]) -> str:
    return md5_of(listing_bytes(files))


def put_listing(content: ContentStore, files: Mapping[str, str]) -> str:
    """Store the listing; returns the digest, 32 hex digits."""
    return content.put(listing_bytes(files), suffix=DIR).removesuffix(DIR)


def read_listing(content: ContentStore, digest: str) -> dict[str, str]:
    """md5 by relpath."""
    return {entry["relpath"]: entry["md5"] for entry in json.loads(content.get(digest + DIR))}


def dvc_file(digest: str, size_bytes: int, files: int, path: str) -> str:
    """What `<path>.dvc` says, so that `dvc pull` fetches the version into the folder `path`."""
    return f"outs:\n- md5: {digest}{DIR}\n  size: {size_bytes}\n  nfiles: {files}\n  hash: md5\n  path: {path}\n"
