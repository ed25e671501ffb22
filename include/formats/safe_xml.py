"""XML without a document type: what can declare entities (bombs, files of the reader's machine) is refused."""

from __future__ import annotations

from collections.abc import Iterator
from xml.etree.ElementTree import Element, SubElement, TreeBuilder, indent, tostring
from xml.parsers import expat

__all__ = ["BadXml", "Element", "SubElement", "as_text", "elements", "to_bytes"]
CHUNK = 1 << 20


class BadXml(Exception):
    """The message says what is wrong, and where."""


def refuse(*_: object) -> None:
    raise BadXml("a document type (<!DOCTYPE …>), which can declare entities")


def elements(data: bytes, tag: str) -> Iterator[Element]:  # noqa: C901
    """Each element of that name, as it ends; no two are in memory together. Raises BadXml."""
    parser = expat.ParserCreate()
    parser.buffer_text = True
    found: list[Element] = []
    builder: TreeBuilder | None = None
    depth = 0

    def start(name: str, attributes: dict[str, str]) -> None:
        nonlocal builder, depth
        if builder is None and name == tag:
            builder, depth = TreeBuilder(), 0
        if builder is not None:
            depth += 1
            builder.start(name, attributes)

    def end(name: str) -> None:
        nonlocal builder, depth
        if builder is not None:
            depth -= 1
            builder.end(name)
            if depth == 0:
                found.append(builder.close())
                builder = None

    def text(part: str) -> None:
        if builder is not None:
            builder.data(part)

    parser.StartElementHandler, parser.EndElementHandler, parser.CharacterDataHandler = start, end, text
    parser.StartDoctypeDeclHandler = refuse
    try:
        for position in range(0, len(data) or 1, CHUNK):
            parser.Parse(data[position : position + CHUNK], False)
            yield from found
            found.clear()
        parser.Parse(b"", True)
    except expat.ExpatError as error:
        raise BadXml(f"line {error.lineno}: not XML: {expat.ErrorString(error.code)}") from None


def refuse_doctype(data: bytes) -> None:
    """Raises BadXml for a document type; what is not XML at all is not said. Nothing after the first element is looked at."""
    parser, begun = expat.ParserCreate(), False

    def start(*_: object) -> None:
        nonlocal begun
        begun = True

    parser.StartElementHandler, parser.StartDoctypeDeclHandler = start, refuse
    try:
        for position in range(0, len(data), CHUNK // 16):
            if begun:
                return
            parser.Parse(data[position : position + CHUNK // 16], False)
    except expat.ExpatError:
        return


def as_text(element: Element) -> str:
    """As it was written, nearly."""
    text: str = tostring(element, encoding="unicode")
    return " ".join(text.split())


def to_bytes(root: Element) -> bytes:
    indent(root, "\t")
    data: bytes = tostring(root, encoding="utf-8")
    return data + b"\n"
