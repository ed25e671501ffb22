"""From a champion's suspicion to the issue that an annotator reads, at a server that answers as CVAT."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from include.artifacts import LabelReview, SuspectReturn
from include.artifacts.suspects import SUSPECTS
from include.artifacts.tables import to_parquet
from include.errors import ConfigError, NothingToDo
from include.step.run import StepRun, publish
from include.storage import ContentStore, Store, open_store
from include.storage.content import md5_of
from tasks.ingest_labels.__main__ import ingest
from tasks.ingest_labels.config import IngestLabels
from tasks.return_suspects.__main__ import give_back
from tasks.return_suspects.config import ReturnSuspects
from tasks.return_suspects.objections import objections
from tasks.validate_annotations.__main__ import validate
from tasks.validate_annotations.config import ValidateAnnotations
from tests.cvat_server import Cvat
from tests.deliveries import picture
from tests.hosted_servers.serving import serving

Make = Callable[..., StepRun[Any]]
PICTURE = picture(1, 200, 100)
GIVEN, LIKELY = (10.0, 10.0, 50.0, 40.0), (120.0, 20.0, 40.0, 40.0)


@pytest.fixture
def cvat(monkeypatch: pytest.MonkeyPatch) -> Iterator[Cvat]:
    monkeypatch.setenv("VISIONLOOP_LABELS_TOKEN__ORCHARD", "pat.secret")
    monkeypatch.setenv("VISIONLOOP_PAGES", "http://airflow.example/visionloop")
    with serving(Cvat()) as server:
        one = {"id": 1, "frame": 0, "label_id": 7, "type": "rectangle", "points": [10, 10, 60, 50], "rotation": 0.0}
        job = server.job(shapes=[one])
        server.files[job, 0] = PICTURE
        server.change(job, state="completed", stage="acceptance")
        yield server


def suspect(kind: str, given: Any = GIVEN, likely: Any = LIKELY, **others: Any) -> dict[str, Any]:
    """A row of SUSPECTS."""
    row: dict[str, Any] = {
        "rank": 1, "kind": kind, "score": 0.9, "relpath": "images/a.png", "md5": md5_of(PICTURE), "split": "test",
        "champion_saw": "no", "detection_score": 0.8, "source": "orchard",
    }  # fmt: skip
    for whose, box in (("given", given), ("likely", likely)):
        if box is not None:
            row |= {f"{whose}_{side}_px": value for side, value in zip(("x", "y", "width", "height"), box, strict=True)}
            row[f"{whose}_class"] = "Tree" if whose == "given" else "Shrub"
    return row | ({"origin": "job-1#0"} if given is not None else {}) | others


class Orchard:
    """What CVAT has is taken in and checked; a champion suspects some of it; the team tells CVAT."""

    def __init__(self, folder: Path, cvat: Cvat, step_run: Make, made_by: Any) -> None:
        self.store: Store = open_store(f"file://{folder}/store")
        self.service, self.step_run, self.made_by = {"url": cvat.url, "project": 3}, step_run, made_by
        place = {"source": "orchard", "kind": "cvat", "service": self.service}
        step = step_run("ingest_labels", IngestLabels.model_validate(place), self.store, {}, "r1")
        batch = publish(self.store, ingest(step), step.output)
        rules = {"source": "orchard", "owner": "lead", "classes": {"tree": "Tree", "shrub": "Shrub"}}
        address = {"batch": str(batch.standing_address)}
        step = step_run("validate_annotations", ValidateAnnotations.model_validate(rules), self.store, address, "r1")
        self.checked = publish(self.store, validate(step), step.output).standing_address

    def review(self, *rows: dict[str, Any], run: str = "r1") -> dict[str, str]:
        """The address of a review that found these."""
        whole = [{"checked_labels": self.checked} | row for row in rows]
        table = ContentStore(self.store).put(to_parquet(pa.Table.from_pylist(whole, SUSPECTS)))
        card = LabelReview(
            made_by=self.made_by, inputs={}, config={"run": run}, model="trees", champion_version="4", bundle="b",
            trained_on="trees:v1", dataset="trees:v1", dataset_digest="d" * 32, images=1, annotations=1, trusted_on=1, by_kind={},
            unseen=1, suspects_table=table, page=f"runs/review__trees/{run}/find_label_errors/report.html",
        )  # fmt: skip
        address = f"runs/review__trees/{run}/find_label_errors/card.json"
        self.store.write(address, card.to_bytes())
        return {"review": address}

    def tell(self, addresses: dict[str, str], run: str = "r1", **config: Any) -> SuspectReturn:
        said = ReturnSuspects.model_validate({"source": "orchard", "kind": "cvat", "service": self.service, **config})
        step = self.step_run("return_suspects", said, self.store, addresses, run)
        return publish(self.store, give_back(step), step.output)


@pytest.fixture
def orchard(tmp_path: Path, cvat: Cvat, step_run: Make, made_by: Any) -> Orchard:
    return Orchard(tmp_path, cvat, step_run, made_by)


def messages(cvat: Cvat) -> list[str]:
    return [str(comment["message"]).split("\npicture")[0] for comment in cvat.comments.values()]


def test_annotator_reads_what_is_suspected_and_where_and_the_job_is_open_again(orchard: Orchard, cvat: Cvat) -> None:
    found = orchard.review(suspect("swapped"), suspect("missing", given=None, rank=2))
    card = orchard.tell(found)
    assert [(one.item, one.objections) for one in card.returned] == [("job-1", 2)]
    assert messages(cvat) == [
        "likely_swapped: got Tree; expected Shrub",
        "likely_missing: got no box; expected Shrub at x 120 to 160, y 20 to 60",
    ]
    assert [issue["position"] for issue in cvat.issues.values()] == [[10, 10, 60, 50], [120, 20, 160, 60]]
    page = "http://airflow.example/visionloop/artifacts/runs/review__trees/r1/find_label_errors/report.html"
    assert [f"{page}#suspect-{n}" in comment["message"] for n, comment in enumerate(cvat.comments.values(), 1)] == [True, True]
    assert (cvat.jobs[1]["stage"], cvat.jobs[1]["state"]) == ("annotation", "in progress")


def test_killed_and_started_again_it_says_nothing_twice(orchard: Orchard, cvat: Cvat, monkeypatch: pytest.MonkeyPatch) -> None:
    found = orchard.review(suspect("swapped"), suspect("missing", given=None))

    def killed(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt  # after the service was told, before the card stands

    with monkeypatch.context() as patched:
        patched.setattr(StepRun, "card", killed)
        with pytest.raises(KeyboardInterrupt):
            orchard.tell(found)
    assert len(orchard.tell(found).told) == 2
    assert len(cvat.issues) == 2


def test_killed_between_its_two_cards_it_finds_the_first(orchard: Orchard, cvat: Cvat) -> None:
    found = orchard.review(suspect("swapped"))
    first = orchard.tell(found)
    orchard.store.delete("runs/model__trees/r1/return_suspects/card.json")
    assert orchard.tell(found) == first
    assert len(cvat.issues) == 1


def test_a_later_champion_that_sees_the_same_a_little_elsewhere_says_it_not_again(orchard: Orchard, cvat: Cvat) -> None:
    orchard.tell(orchard.review(suspect("missing", given=None)))
    near, far = (122.0, 21.0, 40.0, 40.0), (20.0, 60.0, 30.0, 30.0)
    later = orchard.review(suspect("missing", given=None, likely=near), suspect("missing", given=None, likely=far), run="r2")
    card = orchard.tell(later, run="r2")
    assert card.left_out == {"told before": 1}
    assert [one.box for one in card.told] == [far]
    assert len(cvat.issues) == 2
    with pytest.raises(NothingToDo, match=r"orchard: nothing to tell of 1 suspects: \{'told before': 1\}"):
        orchard.tell(orchard.review(suspect("missing", given=None), run="r3"), run="r3")


@pytest.mark.parametrize(
    ("row", "why"),
    [
        ({"score": 0.2}, "of a kind or score that is not told"),
        ({"kind": "spurious"}, "of a kind or score that is not told"),
        ({"source": "meadow"}, "of another source"),
        ({"checked_labels": None}, "in an image that came without labels of a source"),
        ({"md5": "0" * 32}, "made from another picture than the service has"),
        ({"origin": "job-1#7"}, "box is not in the batch that the image came with"),
    ],
    ids=["unlikely", "kind not wanted", "another source", "adopted, not labelled here", "cut from the picture", "changed since"],
)
def test_what_is_not_for_this_service_is_counted_by_why(orchard: Orchard, cvat: Cvat, row: dict[str, Any], why: str) -> None:
    with pytest.raises(NothingToDo, match=why):
        orchard.tell(orchard.review(suspect("swapped") | row), kinds=["swapped", "missing"])
    assert not cvat.issues


def test_no_more_are_told_than_the_person_said(orchard: Orchard, cvat: Cvat) -> None:
    card = orchard.tell(orchard.review(suspect("swapped"), suspect("missing", given=None)), most="1")
    assert card.left_out == {"more than 1": 1}
    assert [one.error for one in card.told] == ["swapped"]


def test_service_that_takes_nothing_back_is_said(orchard: Orchard) -> None:
    said = {"kind": "zillin", "service": {"url": "http://127.0.0.1:1", "export": "export.json"}}
    with pytest.raises(ConfigError, match="zillin takes no labels back; take return_suspects out"):
        orchard.tell(orchard.review(suspect("swapped")), **said)


def test_no_suspects_is_nothing_to_do(orchard: Orchard) -> None:
    with pytest.raises(NothingToDo, match="orchard: nothing to tell of 0 suspects"):
        orchard.tell(orchard.review())
    assert not objections([], lambda _: pytest.fail("nothing is to be read"), [], 1, None).of
