"""Which rules a row breaks, in one number per row: bit n is the n-th rule, bit 32 + n that it was repaired."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from include.checks.catalogue import Action
from include.checks.checks import Bools
from include.checks.every import CHECKS
from include.definitions.suites import RuleInUse
from include.errors import ConfigError

Bits = NDArray[np.uint64]
Ask = Callable[[str, pd.DataFrame, Sequence[RuleInUse]], Mapping[str, Bools]]
MOST = 32


@dataclass(frozen=True)
class Rules:
    """The rules about one subject, in order."""

    all: tuple[RuleInUse, ...]

    def __post_init__(self) -> None:
        if len(self.all) > MOST:
            raise ConfigError(f"{len(self.all)} rules about {self.all[0].on}; at most {MOST} can be asked")

    def asked(self, when: str) -> list[RuleInUse]:
        return [one for one in self.all if one.rule.asked == when]

    def with_action(self, *actions: Action) -> np.uint64:
        """The bits of the rules with such an action."""
        return np.uint64(sum(1 << at for at, one in enumerate(self.all) if one.action in actions))

    def bit(self, rule: RuleInUse) -> np.uint64:
        return np.uint64(1 << self.all.index(rule))

    def repaired_bit(self, rule: RuleInUse) -> np.uint64:
        return np.uint64(1 << (MOST + self.all.index(rule)))

    @cached_property
    def rejecting(self) -> np.uint64:
        """What is to be repaired and is broken still is rejected."""
        return self.with_action("reject", "reject_image", "repair")

    def named(self, bits: int) -> list[RuleInUse]:
        """Those that are broken, in order."""
        if bits not in self._named:
            self._named[bits] = [one for at, one in enumerate(self.all) if bits >> at & 1]
        return self._named[bits]

    @cached_property
    def _named(self) -> dict[int, list[RuleInUse]]:
        """Few combinations occur, and each in many rows."""
        return {}

    def repaired(self, bits: int) -> list[RuleInUse]:
        return self.named(bits >> MOST)


def judge(question: str, rows: pd.DataFrame, rules: Rules, asked: Sequence[RuleInUse], ask: Ask) -> tuple[pd.DataFrame, Bits]:
    """The rows, repaired where they could be, and their bits. Each repair has a question of its own, and sees earlier ones."""
    bits = np.zeros(len(rows), np.uint64)
    for rule in asked:
        if rule.action == "repair" and CHECKS[rule.name].repair is not None:
            broken = ask(f"{question}-{rule.name}-before-repair", rows, [rule])[rule.name]
            rows, mended = _mended(rows, broken, rule)
            bits[mended] |= rules.repaired_bit(rule)
    if len(asked):
        for name, broken in ask(question, rows, asked).items():
            rule = next(one for one in asked if one.name == name)
            bits[broken] |= rules.bit(rule)
    return rows, bits


def _mended(rows: pd.DataFrame, broken: Bools, rule: RuleInUse) -> tuple[pd.DataFrame, Bools]:
    """The rows as repaired, and which: those that the repair sets right, and those that it drops. Others stay."""
    new = repair(rows[broken], rule)
    if new.empty:
        return rows, broken
    tried = rows.loc[new.index].assign(**{str(name): new[name] for name in new})
    good = new[~CHECKS[rule.name].broken(tried, rule.rule.parameters.model_validate(rule.parameters))]
    rows = rows.copy()
    rows.loc[good.index, list(good.columns)] = good
    return rows, np.asarray(rows.index.isin(good.index))


def repair(rows: pd.DataFrame, rule: RuleInUse) -> pd.DataFrame:
    """The columns that the rule mends, of rows that break it."""
    mend = CHECKS[rule.name].repair
    assert mend is not None
    return mend(rows, rule.rule.parameters.model_validate(rule.parameters))
