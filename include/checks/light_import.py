"""Imports Great Expectations in half its time: what it imports for one or two expectations is loaded when one of these is asked.

That is scipy.stats and altair, for expectations about distributions. To be imported before anything of great_expectations.
"""

from __future__ import annotations

import gc
import importlib
import os
import sys
from types import ModuleType
from typing import Any

SELDOM_USED = ("scipy.stats", "altair")

os.environ["GX_ANALYTICS_ENABLED"] = "false"  # read when great_expectations is imported


class _Later(ModuleType):
    """Stands for a module until something of it is wanted."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):  # who only looks round among the modules wants nothing
            raise AttributeError(name)
        if sys.modules.get(self.__name__) is self:
            del sys.modules[self.__name__]
        return getattr(importlib.import_module(self.__name__), name)


def _import_lightly() -> None:
    for name in SELDOM_USED:
        sys.modules.setdefault(name, _Later(name))
    was_on = gc.isenabled()
    gc.disable()  # a hundred thousand objects that all stay: to look for garbage among them is a tenth of the time
    try:
        importlib.import_module("great_expectations")
    finally:
        if was_on:
            gc.enable()


_import_lightly()
