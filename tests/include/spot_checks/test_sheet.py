"""What people send back, and what comes of it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from threading import Barrier, Thread

import pytest

from include.artifacts import SpotCheck, Stratum
from include.artifacts.base import Cost, MadeBy
from include.errors import BadInputError
from include.spot_checks.form import filled_in, read_form
from include.spot_checks.of_batches import of_version, spot_check_of, summary
from include.spot_checks.results import read_verdicts, record, result, together
from include.spot_checks.sheet import Row, Said, from_json, read_sheet, sheet, to_json
from include.storage import ContentStore, Store, open_store
from include.versions.compare.card_page import make_page, page_address
from tests.versions import put_version

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
MADE_BY = MadeBy(
    step="spot_check", dag_id="labels__s", run_id="r1", task_id="spot_check", started_by="a test", git_commit="0",
    runtime="process", environment="lock:1", started_at=NOON, ended_at=NOON, duration_s=1, cost=Cost(amount=0, currency="EUR"),
)  # fmt: skip
ROWS = [
    Row(1, "annotation", "d1#0", "s/d1/ä.png", "0" * 32, "Tree", "Tree", (1.0, 2.0, 3.5, 4.0)),
    Row(2, "annotation", "d1#1", "s/d1/ä.png", "0" * 32, "Tree", "Tree", (1.0, 2.0, 3.0, 4.0)),
    Row(3, "annotation", "d1#2", "s/d1/b.png", "1" * 32, "Bush", "Bush", (1.0, 2.0, 3.0, 4.0)),
    Row(4, "image", "s/d1/b.png", "s/d1/b.png", "1" * 32, "with labels", None),
]


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return open_store(f"file://{tmp_path}")


def put_card(store: Store, batch: str = "b1") -> SpotCheck:
    """90 trees, of which two are in the sample, ten bushes with one, and five pictures with one."""
    strata = tuple(
        Stratum(subject=subject, name=name, population=population, sampled=sampled)
        for subject, name, population, sampled in (
            ("annotation", "Tree", 90, 2), ("annotation", "Bush", 10, 1), ("image", "with labels", 5, 1),
        )
    )  # fmt: skip
    card = SpotCheck(made_by=MADE_BY, inputs={}, config={}, source="s", batch_id=batch, by=("class_name",), strata=strata,
                     sample=f"runs/{batch}/sample.json", page="p", sheet="s")  # fmt: skip
    store.create(card.standing_address, card.to_bytes())
    store.write(card.sample, to_json(ROWS))
    return card


@pytest.fixture
def card(store: Store) -> SpotCheck:
    return put_card(store)


def filled(*verdicts: str, batch: str = "b1") -> bytes:
    """The sheet as it was written, with a verdict for each of the first rows."""
    lines = sheet("s", batch, ROWS, {}).decode("utf-8-sig").splitlines()
    done = [f"{line[:-1]}{verdict}," for line, verdict in zip(lines[1:], verdicts, strict=False)]
    return "\n".join([lines[0], *done, *lines[1 + len(verdicts) :]]).encode()


def test_what_was_filled_in_is_read_and_half_a_sheet_is_half_an_answer() -> None:
    assert read_sheet(filled("ok", "Wrong Class", "", "missed"), "s", "b1", ROWS) == {
        1: Said("ok"), 2: Said("wrong class"), 4: Said("missed"),
    }  # fmt: skip
    assert read_sheet(filled(), "s", "b1", ROWS) == {}


@pytest.mark.parametrize("between", [",", ";", "\t"], ids=["comma", "semicolon", "tab"])
@pytest.mark.parametrize(("mark", "end"), [("", "\n"), ("\ufeff", "\r\n")], ids=["plain", "as Excel writes"])
def test_a_spreadsheets_dialects_are_read(between: str, mark: str, end: str) -> None:
    text = filled("ok").decode().replace(",", between).replace("\n", end)
    assert read_sheet((mark + text + end + between * 3 + end).encode(), "s", "b1", ROWS) == {1: Said("ok")}


def test_a_sheet_that_is_written_again_holds_what_was_said() -> None:
    said = {1: Said("ok"), 3: Said("badly placed", 'too "wide", by half')}
    assert read_sheet(sheet("s", "b1", ROWS, said), "s", "b1", ROWS) == said


HEAD = "source,batch,item,verdict\n"


@pytest.mark.parametrize(
    ("data", "said"),
    [
        pytest.param(filled("ok", batch="b2"), "got a row of s b2, expected the sheet of s b1", id="another batch's sheet"),
        pytest.param(f"{HEAD}s,b1,9,ok\n", "line 2: got item 9, expected a number of the sample, 1 to 4", id="unknown item"),
        pytest.param(f"{HEAD}s,b1,x,ok\n", "got item x", id="an item that is no number"),
        pytest.param(f"{HEAD}s,b1,²,ok\n", "got item ²", id="a digit that is no number"),
        pytest.param(f"{HEAD}s,b1,1,ok\ns,b1,1,ok\n", "line 3: item 1: a second verdict, ok, after ok", id="doubled verdict"),
        pytest.param(f"{HEAD}s,b1,1,bad\n", "got 'bad', expected ok, wrong class, badly placed, not an object", id="a word"),
        pytest.param(f"{HEAD}s,b1,4,wrong class\n", "item 4, image: got 'wrong class', expected ok, missed", id="other subject"),
        pytest.param(f"{HEAD}s,b1,1,missed\n", "item 1, annotation: got 'missed'", id="missed on a label"),
        pytest.param("source,batch,item,verdict,mood\ns,b1,1,ok,good\n", "got columns mood", id="unknown column"),
        pytest.param("source,batch,item\ns,b1,1\n", "got no column verdict", id="no verdict column"),
        pytest.param("", "got no column source, batch, item, verdict", id="an empty file"),
        pytest.param(filled("ok").decode().encode("utf-16"), "not UTF-8", id="UTF-16"),
        pytest.param(b"PK\x03\x04\xff\xfe", "not UTF-8", id="an xlsx"),
        pytest.param(f'{HEAD}s,b1,1,"ok\n', "not a CSV sheet", id="an open quote"),
        pytest.param(f"{HEAD}s,b1,9,ok\ns,b1,1,bad\n", "2 problems, nothing was recorded", id="all problems at once"),
    ],
)
def test_a_sheet_that_is_wrong_is_refused_and_says_why(data: str | bytes, said: str) -> None:
    with pytest.raises(BadInputError) as refused:
        read_sheet(data.encode() if isinstance(data, str) else data, "s", "b1", ROWS)
    assert said in str(refused.value)


def test_cells_that_a_spreadsheet_would_run_are_text() -> None:
    evil = Row(1, "annotation", "=1+1", "@SUM(1)", "0" * 32, "x", "=cmd", (1.0, 1.0, 1.0, 1.0))
    assert ",'@SUM(1),'=1+1,'=cmd," in sheet("s", "b1", [evil], {}).decode("utf-8-sig")


def test_rows_come_back_as_they_were_kept() -> None:
    assert from_json(to_json(ROWS)) == ROWS


def test_verdicts_are_kept_once_with_who_and_when(store: Store, card: SpotCheck) -> None:
    assert record(store, card, {1: Said("ok"), 2: Said("not an object", "a shadow")}, "ann") == 2
    assert record(store, card, {1: Said("ok"), 3: Said("ok")}, "bob") == 1
    assert record(store, card, {1: Said("ok"), 3: Said("ok")}, "bob") == 0
    keys = sorted(entry.key for entry in store.list(card.verdicts))
    assert [key.rpartition("/")[2] for key in keys] == ["000001.json", "000002.json"]
    kept = json.loads(store.read(keys[0]))
    assert (kept["who"], kept["said"]["2"]) == ("ann", {"verdict": "not an object", "note": "a shadow"})
    assert datetime.fromisoformat(kept["when"]).tzinfo is not None
    assert read_verdicts(store, card) == ({1: Said("ok"), 2: Said("not an object", "a shadow"), 3: Said("ok")}, ("ann", "bob"))


def test_another_verdict_than_stands_needs_to_be_a_change(store: Store, card: SpotCheck) -> None:
    record(store, card, {1: Said("ok"), 2: Said("ok")}, "ann")
    with pytest.raises(BadInputError, match="1 items of s b1 have another verdict already: item 2: ok, now badly placed"):
        record(store, card, {2: Said("badly placed"), 3: Said("ok")}, "bob")
    assert 3 not in read_verdicts(store, card)[0]
    assert record(store, card, {2: Said("badly placed")}, "bob", is_change=True) == 1
    assert read_verdicts(store, card)[0][2] == Said("badly placed")
    assert len(list(store.list(card.verdicts))) == 2  # what it was stays


def test_two_people_at_once_lose_nothing(store: Store, card: SpotCheck) -> None:
    start, both = Barrier(2), ({1: Said("ok"), 2: Said("ok")}, {3: Said("ok"), 4: Said("missed")})

    def send(number: int) -> None:
        start.wait()
        record(store, card, both[number], f"person {number}")

    threads = [Thread(target=send, args=(number,)) for number in (0, 1)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert read_verdicts(store, card)[0] == both[0] | both[1]


def test_the_result_weighs_each_stratum_by_its_size(store: Store, card: SpotCheck) -> None:
    assert result(store, card).sentences()[0] == "0 of 3 sampled labels reviewed: nothing is known yet."
    record(store, card, {1: Said("ok"), 2: Said("wrong class"), 3: Said("ok"), 4: Said("ok")}, "ann")
    found = result(store, card)
    share = found.of["annotation"].share
    assert share is not None
    assert share.rate == pytest.approx(0.9 * 0.5)  # half of the trees, none of the bushes
    assert found.verdicts == {"annotation": {"ok": 2, "wrong class": 1}, "image": {"ok": 1}}
    assert found.sentences()[0].startswith("3 of 3 sampled labels reviewed (1 wrong class): 45.0% of all 100 labels are wrong, ")
    assert [(one.name, one.reviewed, one.wrong) for one in found.strata] == [
        ("Tree", 2, 1),
        ("Bush", 1, 0),
        ("with labels", 1, 0),
    ]


def test_batches_together_are_weighed_by_their_size(store: Store) -> None:
    one, two = put_card(store, "b1"), put_card(store, "b2")
    wrong: Sequence[dict[int, Said]] = (
        {1: Said("ok"), 2: Said("ok"), 3: Said("ok")},
        {n: Said("not an object") for n in (1, 2, 3)},
    )
    found = together((card, ROWS, said, ("ann",)) for card, said in zip((one, two), wrong, strict=True))
    share = found.of["annotation"].share
    assert share is not None
    assert (share.rate, found.of["annotation"].population) == (pytest.approx(0.5), 200)


def test_a_batch_that_was_never_sampled_is_named(store: Store, card: SpotCheck) -> None:
    assert spot_check_of(store, "s", "b1") == card
    with pytest.raises(BadInputError, match="no spot check of batch b9; there are those of b1"):
        spot_check_of(store, "s", "b9")


def test_a_form_is_read_and_what_ours_would_not_send_is_refused() -> None:
    assert read_form({"item_1": "ok", "item_4": "missed"}, ROWS) == {1: Said("ok"), 4: Said("missed")}
    for fields in ({"item_9": "ok"}, {"item_1": "missed"}, {"x": "ok"}, {"item_1": "<b>"}):
        with pytest.raises(BadInputError):
            read_form(fields, ROWS)


def test_a_page_shows_what_was_chosen() -> None:
    page = "<div id=standing></div><input type=radio name=item_1 value='ok'><input type=radio name=item_11 value='ok'>"
    assert filled_in(page, {1: Said("ok")}, ["<p>half</p>"]) == (
        "<p>half</p><input type=radio name=item_1 value='ok' checked><input type=radio name=item_11 value='ok'>"
    )


def test_a_version_made_of_reviewed_batches_says_what_was_found(store: Store, card: SpotCheck) -> None:
    put_card(store, "b2")  # nobody has looked at it
    version = put_version(store, "trees", ("Tree",), [{"relpath": "a.png"}], [])
    version = version.model_copy(
        update={"checked_labels": tuple(f"labels/s/checked/{batch}.json" for batch in ("b1", "b2", "b3"))}
    )
    assert of_version(store, version)[1] == 0
    assert "Spot checks" not in store.read(make_page(ContentStore(store), version)).decode()
    record(store, card, {1: Said("ok"), 2: Said("wrong class"), 3: Said("ok")}, "ann")
    found, batches = of_version(store, version)
    assert (found.of["annotation"].population, batches) == (100, 1)
    store.delete(page_address(version))
    shown = store.read(make_page(ContentStore(store), version)).decode()
    assert "1 of 3 batches of labels" in shown
    assert "45.0% of all 100 labels are wrong" in shown


def test_a_source_says_in_a_line_what_was_found(store: Store, card: SpotCheck) -> None:
    assert summary(store, "other") == "none"
    assert summary(store, "s") == "0 of 1 batches reviewed"
    record(store, card, {1: Said("ok"), 2: Said("wrong class"), 3: Said("ok")}, "ann")
    assert summary(store, "s").startswith("1 of 1 batches reviewed; 45.0% (")
