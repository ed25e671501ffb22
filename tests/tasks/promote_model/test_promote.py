from __future__ import annotations

from typing import Any

import pytest

from tasks.promote_model.config import Gate
from tasks.promote_model.promote import decide


def failed(reasons: tuple[str, ...]) -> list[str]:
    return [reason for reason in reasons if reason.startswith("failed")]


def test_first_model_is_promoted_when_it_reaches_the_floor(report_of: Any) -> None:
    decision = decide(report_of(0.4), Gate(min_ap50=0.4))
    assert decision.promote
    assert decision.reasons == (
        "passed: AP50: got 0.4000, expected at least 0.4000",
        "passed: there is no champion to beat",
    )


def test_first_model_below_the_floor_is_not(report_of: Any) -> None:
    decision = decide(report_of(0.39), Gate(min_ap50=0.4))
    assert not decision.promote
    assert failed(decision.reasons) == ["failed: AP50: got 0.3900, expected at least 0.4000"]


def test_better_challenger_is_promoted(report_of: Any) -> None:
    assert decide(report_of({"Tree": 0.5}, {"Tree": 0.45}, low=-0.01, mean=0.05), Gate()).promote


@pytest.mark.parametrize(
    ("report", "why"),
    [
        (
            {"ap50": {"Tree": 0.5}, "champion": {"Tree": 0.5}, "mean": 0.0},
            "failed: mean paired AP50 difference to the champion: got +0.0000, expected more than +0.0000",
        ),
        (
            {"ap50": {"Tree": 0.5}, "champion": {"Tree": 0.5}, "mean": 0.01, "low": -0.021},
            "failed: lower end of the 80% interval of the AP50 difference: got -0.0210, expected at least -0.0200",
        ),
        (
            {"ap50": {"Tree": 0.9, "Bush": 0.44}, "champion": {"Tree": 0.5, "Bush": 0.5}, "mean": 0.2, "low": 0.1},
            "failed: AP50 difference of class Bush: got -0.0600, expected at least -0.0500",
        ),
    ],
    ids=["no better", "may be worse", "one class lost"],
)
def test_each_rule_alone_keeps_the_champion_and_says_why(report: dict[str, Any], why: str, report_of: Any) -> None:
    decision = decide(report_of(**report), Gate())
    assert not decision.promote
    assert failed(decision.reasons) == [why]


def test_limits_can_be_moved(report_of: Any) -> None:
    report = report_of({"Tree": 0.40}, {"Tree": 0.5}, mean=-0.1, low=-0.2)
    assert decide(report, Gate(min_gain=-0.5, max_ap50_loss=0.3, max_class_loss=0.2)).promote


def test_class_that_only_the_challenger_knows_is_a_gain(report_of: Any) -> None:
    assert decide(report_of({"Tree": 0.5, "Bush": 0.4}, {"Tree": 0.5, "Bush": 0.0}, mean=0.2, low=0.1), Gate()).promote
