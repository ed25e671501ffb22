"""The gate: a pure function of a report and what is asked."""

from __future__ import annotations

from dataclasses import dataclass

from include.artifacts import EvaluationReport
from tasks.promote_model.config import Gate


@dataclass(frozen=True)
class Decision:
    """`reasons` has one line per rule, with got and expected, whether it passed or failed."""

    promote: bool
    reasons: tuple[str, ...]


def decide(report: EvaluationReport, gate: Gate) -> Decision:
    """Promote if every rule passes; without a champion only the floor is asked."""
    rules = [_rule("AP50", report.challenger.ap50, ">=", gate.min_ap50)]
    if report.champion is None or report.difference is None:
        rules.append((True, "passed: there is no champion to beat"))
    else:
        change = report.difference
        interval = f"lower end of the {change.confidence:.0%} interval of the AP50 difference"
        rules += [
            _rule("mean paired AP50 difference to the champion", change.mean, ">", gate.min_gain, sign=True),
            _rule(interval, change.low, ">=", -gate.max_ap50_loss, sign=True),
            *_no_class_loses(report.challenger.ap50_by_class, report.champion.ap50_by_class, gate.max_class_loss),
        ]
    return Decision(all(passed for passed, _ in rules), tuple(text for _, text in rules))


def _no_class_loses(ours: dict[str, float], theirs: dict[str, float], most: float) -> list[tuple[bool, str]]:
    return [_rule(f"AP50 difference of class {name}", ours[name] - theirs[name], ">=", -most, sign=True) for name in ours]


def _rule(name: str, got: float, asked: str, limit: float, sign: bool = False) -> tuple[bool, str]:
    passed = got > limit if asked == ">" else got >= limit
    form = "+.4f" if sign else ".4f"
    words = "more than" if asked == ">" else "at least"
    return passed, f"{'passed' if passed else 'failed'}: {name}: got {got:{form}}, expected {words} {limit:{form}}"
