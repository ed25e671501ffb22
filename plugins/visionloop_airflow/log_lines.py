"""A step's output, as lines with levels for Airflow's log; the last error line is kept."""

from __future__ import annotations

import codecs
import logging
import re
import time
from collections.abc import Callable

LINE = re.compile(r"^(?:\d\d:\d\d:\d\d )(DEBUG|INFO|WARNING|ERROR|CRITICAL) ([\w.]+): (.*)$")
PROGRESS_EVERY_S = 5.0  # a bar redrawn with \r is thinned to this


class LogLines:
    """Feed it bytes; it calls `emit(level, text)` per line. Multi-byte characters split between chunks are joined."""

    def __init__(self, emit: Callable[[int, str], None]) -> None:
        self.emit = emit
        self.decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self.rest = ""
        self.level = logging.INFO
        self.shown_progress_at = float("-inf")
        self.last_error = ""
        self.last_line = ""

    def feed(self, data: bytes) -> None:
        *complete, self.rest = re.split(r"(?<=[\r\n])", self.rest + self.decoder.decode(data))
        for piece in complete:
            if piece.endswith("\r"):
                now = time.monotonic()
                if now - self.shown_progress_at < PROGRESS_EVERY_S:
                    continue
                self.shown_progress_at = now
            self._line(piece.rstrip())

    def close(self) -> None:
        """The last line may lack its newline."""
        if self.rest.strip():
            self._line(self.rest.rstrip())
        self.rest = ""

    def _line(self, text: str) -> None:
        if not text:
            return
        if found := LINE.match(text):
            self.level, text = logging.getLevelNamesMapping()[found[1]], found[3]
            if self.level >= logging.ERROR:
                self.last_error = text
        elif text.startswith("Traceback (most recent call last)"):
            self.level = logging.ERROR
        self.last_line = text
        self.emit(self.level, text)  # a line without a level belongs to the one before

    @property
    def error_line(self) -> str:
        """What the step said was wrong: its last ERROR line, or the last line of a traceback."""
        return self.last_line if self.level >= logging.ERROR and self.last_line.strip() else self.last_error or self.last_line
