"""The files of a delivery as the readers of formats see them; what they read is kept."""

from __future__ import annotations

import io
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cached_property

from include.formats.safe_xml import BadXml, refuse_doctype
from include.formats.tree import Tree, size_of
from include.labelling.items import Refused
from include.storage.content import in_threads


class RecordedTree(Tree):
    """A tree that keeps the label files that were read of it, as they came. `start`: the first bytes of an image."""

    def __init__(self, paths: Sequence[str], read: Callable[[str], bytes], start: Callable[[str], bytes]) -> None:
        super().__init__(paths, read, self.size_or_error)
        self.start = start
        self._kept: dict[str, bytes] = {}

    def contents(self, paths: Iterable[str]) -> Iterator[tuple[str, bytes]]:
        """Raises Refused for XML that declares entities."""
        for path, data in super().contents(paths):
            self._kept[path] = zlib.compress(data, 1)
            if path.lower().endswith(".xml"):
                try:
                    refuse_doctype(data)
                except BadXml as error:
                    raise Refused(f"{path}: got {error}; expected XML without one") from None
            yield path, data

    def original(self) -> bytes:
        """A zip of the label files; where there are none, the paths, a line each."""
        if not self._kept:
            return "\n".join(self.paths).encode()
        out = io.BytesIO()
        with zipfile.ZipFile(out, "w") as made:
            for path, data in self._kept.items():
                # no date: the same files are the same bytes
                made.writestr(zipfile.ZipInfo(path), zlib.decompress(data), zipfile.ZIP_DEFLATED)
        return out.getvalue()

    @cached_property
    def sizes(self) -> dict[str, tuple[int, int] | None]:
        return dict(zip(self.images, in_threads(self._look, self.images), strict=True))

    def _look(self, path: str) -> tuple[int, int] | None:
        return size_of(self.start(path)) or size_of(self.read(path))

    def size_or_error(self, path: str) -> tuple[int, int]:
        """Raises OSError for what is no image."""
        size = self.sizes.get(path)
        if size is None:
            raise OSError(path)
        return size
