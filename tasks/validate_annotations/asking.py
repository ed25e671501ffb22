"""Great Expectations takes three seconds to import, on one core: meanwhile pictures are looked at, and labels are read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from include.checks.checks import Bools
from include.definitions.suites import RuleInUse
from include.step.garbage import look_seldom

if TYPE_CHECKING:
    from include.checks.asking import Suites


class Coming:
    """Suites (include/checks/asking.py) of these arguments, which a thread makes from now on."""

    def __init__(self, folder: Path, batch_id: str, batch_made_at: datetime) -> None:
        thread = ThreadPoolExecutor(1)
        self._suites = thread.submit(_suites, folder, batch_id, batch_made_at)
        thread.shutdown(wait=False)

    def suites(self) -> Suites:
        """When they are there. Raises what was raised on the way."""
        return self._suites.result()

    def broken(self, question: str, rows: pd.DataFrame, rules: Sequence[RuleInUse]) -> Mapping[str, Bools]:
        return self.suites().broken(question, rows, rules)


def _suites(folder: Path, batch_id: str, batch_made_at: datetime) -> Suites:
    from include.checks.asking import Suites

    look_seldom()  # at a hundred thousand objects that all stay
    return Suites(folder, batch_id, batch_made_at)
