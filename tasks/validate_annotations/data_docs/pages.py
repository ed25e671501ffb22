"""The Data Docs: pages that can be read without a network.

Great Expectations' own pages load styles and scripts from eight other hosts, and its index is empty without them. So: an index
of our own, with pictures, and its pages behind it with a small style sheet instead of the scripts.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

from tasks.validate_annotations.data_docs.index import index
from tasks.validate_annotations.data_docs.offenders import figures, worst
from tasks.validate_annotations.data_docs.rule_pages import rule_pages
from tasks.validate_annotations.data_docs.told import Told

STYLE = (Path(__file__).parent / "great_expectations.css").read_text()
REMOTE = re.compile(r"<script\b.*?</script>|<link\b[^>]*>|<img\b[^>]*>", re.DOTALL)


def offline(page: str) -> str:
    """A page of Great Expectations without scripts and references to other hosts."""
    return REMOTE.sub("", page).replace("</head>", f"<style>{STYLE}</style></head>", 1)


def pages(folder: Path, told: Told, read: Callable[[str], bytes]) -> dict[str, bytes]:
    """All pages to keep, by path. `folder` is where Great Expectations built its own; `read` gives an image's bytes by md5."""
    own = {path.relative_to(folder).as_posix(): path.read_text() for path in sorted(folder.rglob("*.html"))}
    found = worst(told.findings.chunks, told.annotations.chunks, told.images.chunks)
    return {
        **{name: offline(page).encode() for name, page in own.items()},
        **rule_pages(told),
        "index.html": index(told, figures(found, read)),
    }
