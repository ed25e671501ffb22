from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from include.artifacts import Check, EvaluationReport, ParityReport, Promotion
from include.errors import BadInputError, NothingToDo
from include.step.run import publish
from include.storage import Store, open_store
from tasks.promote_model.__main__ import quiet_if_kept, work
from tasks.promote_model.config import Gate


def record(store: Store, number: int) -> Promotion:
    return Promotion.load(store, f"models/trees/promotions/{number}.json")


def compared_now(store: Store, inputs: dict[str, str]) -> None:
    """As if the report had been made just now, after all decisions so far."""
    report = EvaluationReport.load(store, inputs["report"])
    made_by = report.made_by.model_copy(update={"started_at": datetime.now(UTC)})
    store.write(inputs["report"], report.model_copy(update={"made_by": made_by}).to_bytes())


def numbers(store: Store) -> list[str]:
    return sorted(entry.key.rpartition("/")[2] for entry in store.list("models/trees/promotions"))


def promote(store: Store, lineage: Any, put_cards: Any, promotion_step: Any, run: str, **report: Any) -> Promotion:
    step = promotion_step(store, put_cards(store, run=run, **report), run=run)
    return publish(store, work(step, lineage), step.output)


def test_first_promotion_is_registered_recorded_and_champion(
    store: Store, lineage: Any, put_cards: Any, promotion_step: Any
) -> None:
    card = promote(store, lineage, put_cards, promotion_step, "r1", ap50=0.4)
    assert (card.number, card.decision, card.challenger, card.champion_before, card.champion_after) == (
        1,
        "promoted",
        "1",
        None,
        "1",
    )
    assert record(store, 1) == card
    assert lineage.alias == "1"
    (version,) = lineage.versions
    assert version["source"] == f"{store.url}/files/md5/00/{'0' * 30}"
    tags = {name.removeprefix("visionloop."): value for name, value in version.items() if name.startswith("visionloop.")}
    assert tags == {
        "dataset": "trees:v1", "dataset_digest": "0" * 32, "classes": "Tree", "git_commit": "c0ffee", "environment": "lock:1",
        "runtime": "process", "dag_id": "model__trees", "run_id": "r1", "started_by": "a test", "duration_s": "3600",
        "cost": "1.5 EUR", "ap50": "0.4000", "tag": "trees:r1", "checkpoint": "runs/model__trees/r1/train_detector/card.json",
        "archive": f"files/md5/00/{'0' * 30}", "decision": "promoted", "decision_number": "1",
    }  # fmt: skip


def test_kept_champion_is_recorded_registered_and_quiet_every_time(
    store: Store, lineage: Any, put_cards: Any, promotion_step: Any
) -> None:
    promote(store, lineage, put_cards, promotion_step, "r1")
    card = promote(store, lineage, put_cards, promotion_step, "r2", champion={"Tree": 0.6}, mean=-0.1, low=-0.2)
    assert (card.number, card.decision, card.challenger, card.champion_after, lineage.alias) == (
        2,
        "kept champion",
        "2",
        "1",
        "1",
    )
    assert lineage.versions[1]["visionloop.decision"] == "kept champion"
    step = promotion_step(store, {}, run="r2")
    for _ in range(2):
        with pytest.raises(NothingToDo, match="trees: version 1 stays champion: failed: mean paired AP50 difference"):
            quiet_if_kept(step, card)


def test_first_model_below_the_floor_leaves_no_champion(store: Store, lineage: Any, put_cards: Any, promotion_step: Any) -> None:
    step = promotion_step(store, put_cards(store, ap50=0.1), gate=Gate(min_ap50=0.2))
    card = work(step, lineage)
    assert (card.decision, card.champion_after, lineage.alias) == ("kept champion", None, None)
    with pytest.raises(NothingToDo, match="there is still no champion"):
        quiet_if_kept(step, card)


def test_challenger_that_met_an_older_champion_is_refused(
    store: Store, lineage: Any, put_cards: Any, promotion_step: Any
) -> None:
    promote(store, lineage, put_cards, promotion_step, "r1")
    with pytest.raises(BadInputError, match=r"compared with version none, now it is 1; start the model's DAG again"):
        promote(store, lineage, put_cards, promotion_step, "r2")
    assert numbers(store) == ["1.json"]
    assert len(lineage.versions) == 1


def test_promoter_that_finds_another_one_at_work_is_refused(
    store: Store, lineage: Any, put_cards: Any, promotion_step: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The other one wrote its decision down while we looked, and has not moved the alias yet."""
    ours = promotion_step(store, put_cards(store, run="r2"), run="r2")
    register = lineage.register

    def register_late(*args: Any) -> str:
        monkeypatch.setattr(lineage, "register", register)
        monkeypatch.setattr(lineage, "set_champion", lambda *_: None)
        promote(store, lineage, put_cards, promotion_step, "r1")
        return str(register(*args))

    monkeypatch.setattr(lineage, "register", register_late)
    with pytest.raises(BadInputError, match="compared with version none, now it is 1"):
        work(ours, lineage)
    assert numbers(store) == ["1.json"]


def test_old_unfinished_promotion_run_again_after_a_newer_one_does_not_move_the_alias(
    store: Store, lineage: Any, put_cards: Any, promotion_step: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    step = promotion_step(store, put_cards(store, run="r1"), run="r1")
    with monkeypatch.context() as patch:
        patch.setattr(lineage, "set_champion", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            work(step, lineage)
    inputs = put_cards(store, run="r2")
    compared_now(store, inputs)
    work(promotion_step(store, inputs, run="r2"), lineage)
    assert lineage.alias == "2"
    card = work(promotion_step(store, put_cards(store, run="r1"), run="r1"), lineage)
    assert (card.number, card.decision) == (1, "promoted")
    assert lineage.alias == "2"
    assert numbers(store) == ["1.json", "2.json"]


def test_alias_moved_late_by_an_older_promoter_is_put_right_by_it(
    store: Store, lineage: Any, put_cards: Any, promotion_step: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between our look at the history and our move of the alias, a whole other promotion happens."""
    old = promotion_step(store, put_cards(store, run="r1"), run="r1")
    move, moves = lineage.set_champion, []

    def move_late(model: str, version: str) -> None:
        if not moves:
            moves.append(version)
            newer = record(store, 1)
            newer = newer.model_copy(update={"number": 2, "challenger": "2", "champion_before": "1", "champion_after": "2"})
            lineage.versions.append({"bundle": "b2"})
            store.create(newer.standing_address, newer.to_bytes())
            move(model, "2")
        move(model, version)

    monkeypatch.setattr(lineage, "set_champion", move_late)
    work(old, lineage)
    assert lineage.alias == "2"


def test_rollback_by_hand_is_respected_by_the_next_run(store: Store, lineage: Any, put_cards: Any, promotion_step: Any) -> None:
    promote(store, lineage, put_cards, promotion_step, "r1")
    promote(store, lineage, put_cards, promotion_step, "r2", champion={"Tree": 0.3}, champion_version="1")
    lineage.alias = "1"
    inputs = put_cards(store, run="r3", champion={"Tree": 0.3}, champion_version="1")
    compared_now(store, inputs)
    card = work(promotion_step(store, inputs, run="r3"), lineage)
    assert (card.number, card.champion_before, card.champion_after, lineage.alias) == (3, "1", "3", "3")


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"dataset_digest": "f" * 32}, r"the report's dataset: got trees:v1 ffff.*, expected trees:v1 0000"),
        ({"dataset": "trees:v2"}, r"the report's dataset: got trees:v2"),
        ({"model": "cars"}, "the report's model: got cars, expected trees"),
    ],
    ids=["digest", "dataset", "model"],
)
def test_report_of_something_else_is_refused(
    changed: dict[str, str], message: str, store: Store, lineage: Any, put_cards: Any, report_of: Any, promotion_step: Any
) -> None:
    inputs = put_cards(store)
    store.write(inputs["report"], report_of(bundle=inputs["bundle"], **changed).to_bytes())
    with pytest.raises(BadInputError, match=message):
        work(promotion_step(store, inputs), lineage)


def test_reports_of_another_bundle_are_refused_together(store: Store, lineage: Any, put_cards: Any, promotion_step: Any) -> None:
    inputs, others = put_cards(store, run="r1"), put_cards(store, run="r2")
    with pytest.raises(
        BadInputError, match=r"the report's bundle: got runs/model__trees/r2/.*; the parity report's bundle: got runs"
    ):
        work(promotion_step(store, {**others, "bundle": inputs["bundle"]}), lineage)


def test_failed_parity_is_refused_by_name(store: Store, lineage: Any, put_cards: Any, promotion_step: Any) -> None:
    inputs = put_cards(store)
    parity = ParityReport.load(store, inputs["parity"])
    bad = Check(name="classes", passed=False, got="Bush, Tree", expected="Tree, Bush")
    store.write(inputs["parity"], parity.model_copy(update={"checks": (*parity.checks, bad)}).to_bytes())
    with pytest.raises(BadInputError, match="classes: got Bush, Tree, expected Tree, Bush; run pack_model and test_bundle again"):
        work(promotion_step(store, inputs), lineage)
    assert not lineage.versions


def test_history_is_read_in_order_of_numbers(tmp_path: Any, lineage: Any, put_cards: Any, promotion_step: Any) -> None:
    store = open_store(f"file://{tmp_path}/many")
    for number in range(1, 12):
        met = {"champion": {"Tree": 0.1}, "champion_version": lineage.alias} if lineage.alias else {}
        promote(store, lineage, put_cards, promotion_step, f"r{number}", **met)
    assert lineage.alias == "11"
    assert record(store, 11).champion_before == "10"
