"""A version that moves too far from its parent: told, or not made, and how it goes on."""

from __future__ import annotations

import logging
from typing import Any

import pytest

from include.errors import BadInputError, ConfigError
from tests.dying_store import DyingStore, Killed

CLASSES = ["Tree", "Bush"]
STOP = {"stop": {"class_name": "different"}}


def deliver(datasets: Any, trees: int, bushes: int = 0) -> None:
    """So many pictures with ten boxes each, of which no other delivery has one."""
    first = datasets.batches * 100
    datasets.check(list(range(first, first + trees)), boxes=10)
    if bushes:
        datasets.check(list(range(first + 50, first + 50 + bushes)), boxes=10, class_name="Bush")


def report(datasets: Any, run: str) -> str:
    return f"{datasets.step(run).output}/report.html"


def test_a_shift_is_told_and_counted_and_the_version_made(datasets: Any, caplog: pytest.LogCaptureFixture) -> None:
    deliver(datasets, trees=8)
    datasets.build("r1", classes=CLASSES)
    deliver(datasets, trees=1, bushes=8)
    with caplog.at_level(logging.WARNING):
        version = datasets.build("r2", classes=CLASSES)
    assert version.label == "trees:v2"
    # 80 trees; then 90 and 80 bushes: 47 %, by hand (0.4706 − 0.5/80)·ln(0.4706·160) + (0.5294 − 1)·ln(0.5294) = 2.306
    assert "shift since trees:v1: class_name is different (PSI 2.31; Tree 100% → 53%)" in caplog.text
    assert version.counts["columns_shifted"] >= 1
    assert b"trees:v2, not made yet, against trees:v1" in datasets.store.read(report(datasets, "r2"))


def test_more_of_the_same_is_silent(datasets: Any, caplog: pytest.LogCaptureFixture) -> None:
    for run in ("r1", "r2"):
        deliver(datasets, trees=8)
        with caplog.at_level(logging.WARNING):
            version = datasets.build(run, shift=STOP)
    assert "shift since" not in caplog.text
    assert "columns_shifted" not in version.counts


def test_a_version_that_would_move_too_far_is_not_made_and_says_how_to_go_on(datasets: Any) -> None:
    deliver(datasets, trees=8)
    datasets.build("r1", classes=CLASSES, shift=STOP)
    deliver(datasets, trees=1, bushes=8)
    with pytest.raises(BadInputError) as stopped:
        datasets.build("r2", classes=CLASSES, shift=STOP)
    for part in (
        "v2 is not made, it would be too far from trees:v1: class_name is different (PSI 2.31; Tree 100% → 53%)",
        "shift.stop: class_name different", "Nothing is lost", report(datasets, "r2"),
        "shift.accepted: {v2: why}",
    ):  # fmt: skip
        assert part in str(stopped.value)
    assert not datasets.store.exists("datasets/trees/v2.json")
    assert datasets.store.exists(report(datasets, "r2"))


@pytest.mark.parametrize(
    "how",
    [
        pytest.param({"shift": STOP | {"accepted": {"v2": "the new site has bushes"}}}, id="accepted with a reason"),
        pytest.param({"shift": {"stop": {"site": "different"}}}, id="the rule was changed"),
        pytest.param({"shift": STOP, "leave_out": [f"images/trees/d3/{n}.png" for n in range(150, 158)]}, id="images left out"),
    ],
)
def test_what_was_stopped_goes_on_in_the_next_run_with_every_label(datasets: Any, how: dict[str, Any]) -> None:
    deliver(datasets, trees=8)
    datasets.build("r1", classes=CLASSES, shift=STOP)
    deliver(datasets, trees=1, bushes=8)
    with pytest.raises(BadInputError):
        datasets.build("r2", classes=CLASSES, shift=STOP)
    version = datasets.build("r3", classes=CLASSES, **how)
    assert (version.label, len(version.checked_labels)) == ("trees:v2", 3)
    assert len(datasets.images(version)) == (9 if "leave_out" in how else 17)
    assert version.config["shift"]["accepted"] == how["shift"].get("accepted", {})


def test_a_reason_for_one_version_lets_no_other_through(datasets: Any) -> None:
    deliver(datasets, trees=8)
    datasets.build("r1", classes=CLASSES)
    deliver(datasets, trees=1, bushes=8)
    with pytest.raises(BadInputError, match=r"accepted: \{v2: why\}"):
        datasets.build("r2", classes=CLASSES, shift=STOP | {"accepted": {"v1": "an earlier one"}})


def test_killed_before_it_stops_it_stops_in_the_next_try(datasets: Any) -> None:
    deliver(datasets, trees=8)
    datasets.build("r1", classes=CLASSES)
    deliver(datasets, trees=1, bushes=8)
    with pytest.raises(Killed):
        datasets.build("r2", store=DyingStore(datasets.store.url, 0), classes=CLASSES, shift=STOP)
    for _ in range(2):
        with pytest.raises(BadInputError, match="v2 is not made"):
            datasets.build("r2", classes=CLASSES, shift=STOP)
    assert not datasets.store.exists("datasets/trees/v2.json")


def test_a_column_that_nobody_knows_is_a_wrong_definition() -> None:
    from pydantic import ValidationError

    from include.definitions.problems import flatten
    from tasks.build_dataset.config import BuildDataset

    with pytest.raises(ValidationError) as wrong:
        BuildDataset.model_validate({"name": "trees", "classes": ["Tree"], "shift": {"stop": {"colour": "different"}}})
    assert "stop: no column colour" in str(ConfigError(flatten(wrong.value, "section build_dataset")))
