"""The page of an audit, for people."""

from __future__ import annotations

from collections.abc import Sequence

from include.pages import heading, page, paragraph, table
from include.versions.keep.health import Health, Verified

SHOWN = 200  # rows for each version


def render(verified: Verified, mended: Sequence[str], deep: bool) -> bytes:
    """Verdict, who is touched, and every damaged object with where it belongs."""
    broken = verified.broken
    if broken:
        verdict = (
            f"{len(broken)} of {len(verified.versions)} dataset versions are damaged: {', '.join(one.label for one in broken)}"
        )
    else:
        verdict = f"Every object of {len(verified.versions)} dataset versions is there, whole and unchanged."
    return page(
        "Storage audit",
        paragraph(verdict, "verdict"),
        paragraph(f"Found whole again: {', '.join(mended)}.") if mended else "",
        paragraph(how(verified, deep), "soft"),
        *(part for one in broken for part in section(one)),
    )


def how(verified: Verified, deep: bool) -> str:
    """What was read, and what was taken on the word of the listing."""
    proof = "all of them read and hashed" if deep or not verified.etags_trusted else "proven by ETag (md5), else read and hashed"
    return f"{verified.objects:,} objects are named by these versions: {proof}; {verified.objects_read:,} reads in all."


def section(one: Health) -> list[str]:
    """One broken version."""
    rows = [[damage.relpath, damage.what, damage.expected, damage.got, damage.key] for damage in one.damages[:SHOWN]]
    parts = [
        heading(f"{one.label}: {len(one.damages)} damaged objects"),
        paragraph(
            f"Models trained on it: {', '.join(one.models) or 'none promoted'}. Aliases: {', '.join(one.aliases) or 'none'}."
        ),
        table(["path", "damage", "expected", "got", "object"], rows),
    ]
    more = len(one.damages) - len(rows)
    return [*parts, paragraph(f"and {more:,} more: they are in the version's mark")] if more else parts
