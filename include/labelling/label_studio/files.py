"""Where the image of a Label Studio task is, and what to call it.

What a task's data says may be a file that was uploaded (/data/upload/…), one below the server's own folder
(/data/local-files/?d=…), a web address, one in a bucket that the server knows (s3://…, or its own way there:
/tasks/…/resolve/?fileuri=…), or the image itself (data:image/png;base64,…).
"""

from __future__ import annotations

import base64
import binascii
from pathlib import PurePosixPath
from urllib.parse import parse_qs, unquote, urlsplit

from include.labelling.web import Web

BUCKETS = ("s3", "gs", "azure-blob", "azure", "s3s")


def name_of(address: str, otherwise: str) -> str:
    """A relative path that says which file it is: below its bucket, host or folder. `otherwise`: for what has no name."""
    from include.formats.tree import harmless

    if address.startswith("data:"):
        return otherwise
    parts = urlsplit(address)
    query = parse_qs(parts.query)
    if "fileuri" in query:
        return name_of(_decoded(query["fileuri"][0]), otherwise)
    path = query["d"][0] if "d" in query and "local-files" in parts.path else unquote(parts.path)
    if "/data/upload/" in path:
        path = PurePosixPath(path).name
    return harmless(path.lstrip("/")) or otherwise


def _decoded(text: str) -> str:
    try:
        return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)).decode()
    except (binascii.Error, UnicodeDecodeError):
        return ""


async def bytes_of(web: Web, task: int, address: str) -> bytes:
    """The file. Raises FileNotFoundError. `web` shows its token to no other host."""
    if address.startswith("data:"):
        head, _, body = address.partition(",")
        return base64.b64decode(body) if head.endswith("base64") else unquote(body).encode()
    if urlsplit(address).scheme in BUCKETS:
        uri = base64.urlsafe_b64encode(address.encode()).decode()
        return await web.read(f"tasks/{task}/resolve/", params={"fileuri": uri})
    return await web.read(address)
