"""The CVAT connector against a server that answers as CVAT 2.73 documents, through the real SDK."""

import asyncio
import hashlib
import hmac
import json
from datetime import UTC, datetime

import pytest
import tenacity
from pydantic import ValidationError

from include.errors import ConfigError, Unavailable
from include.labelling import patience, web
from include.labelling.connector import GivesBack, connect, settings_of
from include.labelling.cvat import connector as cvat
from include.labelling.items import Objection, Refused
from tests.cvat_server import Cvat
from tests.hosted_servers.serving import answer, serving
from tests.labelled_coco import case, coco_of

PAT = "pat.secret"
BOX = {"id": 5, "frame": 0, "label_id": 7, "type": "rectangle", "points": [10.0, 20.0, 30.0, 50.0], "rotation": 0.0}
FINISHED = {"state": "completed", "stage": "acceptance"}


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setattr(patience, "_growing", tenacity.wait_none())
    with serving(Cvat()) as running:
        yield running


def run(server, use, token=PAT, patience_s=20, **section):
    async def in_a_web():
        async with web.Web(server.url, token, patience_s=patience_s) as one:
            return await use(connect("cvat", {"url": server.url, "project": 3} | section, one))

    return asyncio.run(in_a_web())


async def listed(connector, since=None):
    return [item async for item in connector.items(since)]


def take(number):
    async def use(connector):
        (item,) = [item for item in await listed(connector) if item.id == f"job-{number}"]
        return await connector.fetch(item)

    return use


@pytest.mark.parametrize(
    ("said", "section", "status"),
    [
        (FINISHED, {}, "finished"),
        ({"state": "completed", "stage": "validation"}, {}, "waiting"),
        ({"state": "rejected", "stage": "acceptance"}, {}, "waiting"),
        ({"state": "completed", "stage": "annotation"}, {"finished": {"stages": ["annotation"]}}, "finished"),
        (FINISHED, {"annotators": ["bob"]}, "waiting"),
        (FINISHED, {"annotators": ["bob", "ann"]}, "finished"),
        (FINISHED | {"assignee": None}, {"annotators": ["bob"]}, "waiting"),
        (FINISHED | {"type": "ground_truth"}, {}, "skipped"),
        (FINISHED | {"type": "replica"}, {}, "skipped"),
        (FINISHED | {"type": "replica"}, {"job_types": ["replica"]}, "finished"),
        (FINISHED | {"dimension": "3d"}, {}, "skipped"),
    ],
    ids=["accepted", "not yet accepted", "rejected", "no review in this team", "another's", "by a named one", "nobody's",
         "ground truth", "replica", "replica asked for", "point cloud"],
)  # fmt: skip
def test_status_of_a_job_follows_the_teams_rule(server, said, section, status):
    server.job(**said)
    (item,) = run(server, listed, **section)
    assert (item.id, item.status, item.images) == ("job-1", status, 1)


def test_jobs_changed_since_then_are_listed_and_no_others(server):
    for _ in range(3):
        server.job()
    server.change(2, **FINISHED)
    since = datetime.fromisoformat(server.jobs[2]["updated_date"])
    assert [item.id for item in run(server, lambda one: listed(one, since))] == ["job-2"]
    rule = json.loads(server.asked[-1].query["filter"])
    assert rule["and"][1] == {">=": [{"var": "updated_date"}, server.jobs[2]["updated_date"]]}  # all six digits


def test_revision_is_another_after_each_change_and_under_another_rule(server):
    server.job(**FINISHED)
    revisions = {run(server, listed)[0].revision, run(server, listed, annotators=["bob"])[0].revision}
    server.change(1, shapes=[BOX])
    assert len(revisions | {run(server, listed)[0].revision}) == 3
    assert run(server, listed)[0].revision == run(server, listed)[0].revision


def test_tasks_may_be_named_instead_of_a_project(server):
    for task in (4, 5, 6, 5):
        server.job(task_id=task)
    section = {"project": None, "tasks": [5, 6]}
    assert [item.id for item in run(server, listed, **section)] == ["job-2", "job-3", "job-4"]
    assert [item.id for item in run(server, listed, project=None, tasks=[4])] == ["job-1"]


@pytest.mark.parametrize("is_messy", [False, True], ids=["in order", "pages shuffled and repeated"])
def test_every_page_is_read_from_the_address_that_we_know(server, monkeypatch, is_messy):
    monkeypatch.setattr(cvat, "PAGE", 4)
    for _ in range(10):
        server.job()
    server.is_messy = is_messy
    assert sorted(item.id for item in run(server, listed)) == sorted(f"job-{number}" for number in range(1, 11))
    assert [request.query["page"] for request in server.asked] == ["1", "2", "3"]


def test_job_deleted_while_jobs_are_listed_hides_no_other(server, monkeypatch):
    monkeypatch.setattr(cvat, "PAGE", 4)
    for _ in range(10):
        server.job()

    def delete_the_first():
        if 1 in server.jobs:
            server.delete(1)

    server.on_page = delete_the_first
    assert {item.id for item in run(server, listed)} >= {f"job-{number}" for number in range(2, 11)}
    assert run(server, lambda one: one.existing()) == {f"job-{number}" for number in range(2, 11)}


def test_list_that_becomes_shorter_than_the_page_asked_for_is_read_again(server, monkeypatch):
    monkeypatch.setattr(cvat, "PAGE", 4)
    for _ in range(5):
        server.job()
    server.on_page = lambda: server.jobs.pop(5, None)
    assert [item.id for item in run(server, listed)] == ["job-1", "job-2", "job-3", "job-4"]


def test_list_that_never_settles_is_no_list(server, monkeypatch):
    monkeypatch.setattr(cvat, "PAGE", 1)
    for _ in range(40):
        server.job()
    server.on_page = lambda: server.delete(min(server.jobs))
    with pytest.raises(Unavailable, match="moved"):
        run(server, listed)


def test_server_that_does_not_know_the_filter_is_found_out(server):
    server.job(project_id=99)
    server.knows_filters = False
    with pytest.raises(Unavailable, match="project 99"):
        run(server, listed)


@pytest.mark.parametrize("token", [PAT, "ab" * 20, "ann:secret"], ids=["personal access token", "login key", "password"])
def test_each_kind_of_secret_opens_listing_and_sdk(server, token):
    server.job(shapes=[BOX], **FINISHED)
    assert len(run(server, take(1), token=token).pictures[0].shapes) == 1


def test_wrong_secret_is_an_error_that_does_not_show_it(server):
    with pytest.raises(ConfigError) as told:
        run(server, listed, token="wrong.token")
    assert "wrong.token" not in str(told.value)
    server.job(**FINISHED)
    item = run(server, listed)[0]
    with pytest.raises(ConfigError, match="401"):
        run(server, lambda one: one.fetch(item), token="wrong.token")


@pytest.mark.parametrize("name", ["shapes", "track"])
def test_job_read_through_the_sdk_becomes_the_coco_worked_out_by_hand(server, name):
    said = case(f"cvat/{name}")
    number = server.job()
    server.jobs[number] |= said["job"] | {"id": number}
    server.meta[number], server.labels, server.drawn[number] = said["data_meta"], said["labels"], said["annotations"]
    found = run(server, take(number))
    expected = case(f"cvat/{name}.coco")
    for annotation in expected["annotations"]:
        annotation["job"] = str(number)
    assert coco_of(found) == expected
    guides = {shape.guideline for picture in found.pictures for shape in picture.shapes}
    assert guides == {"guide 4 of 2026-11-01T00:00:00Z" if name == "shapes" else None}
    assert json.loads(found.original)["annotations"] == said["annotations"]
    assert all("about" not in request.path for request in server.asked)  # no comparison of versions, so no warning


def test_assignee_may_be_who_reviewed(server):
    server.job(shapes=[BOX], **FINISHED)
    (shape,) = run(server, take(1), assignee_is="reviewer", guideline="v4").pictures[0].shapes
    assert (shape.annotator, shape.reviewer, shape.guideline) == (None, "ann", "v4")
    assert shape.reviewed_at == shape.drawn_at


def test_job_that_changed_after_it_was_listed_waits_for_the_next_listing(server):
    server.job(**FINISHED)
    item = run(server, listed)[0]
    server.change(1, state="in progress", stage="annotation")
    with pytest.raises(Refused, match="as it was listed"):
        run(server, lambda one: one.fetch(item))


def test_job_deleted_after_it_was_listed_is_refused(server):
    server.job(**FINISHED)
    item = run(server, listed)[0]
    server.delete(1)
    with pytest.raises(Refused, match="not there any more"):
        run(server, lambda one: one.fetch(item))


def test_image_is_the_original_frame_by_its_number_in_the_task(server):
    server.job(names=("a.png", "b.png"), start=10, **FINISHED)
    server.files[1, 11] = b"original bytes"

    async def second(connector):
        return await connector.image((await take(1)(connector)).pictures[1])

    async def first(connector):
        return await connector.image((await take(1)(connector)).pictures[0])

    assert run(server, second) == b"original bytes"
    with pytest.raises(FileNotFoundError):
        run(server, first)


def test_image_that_cvat_declines_to_show_is_missing_and_says_why(server):
    """A file that is gone from the cloud storage behind the task: HTTP 400, of one frame."""
    server.job(**FINISHED)
    server.faults = [None] * 5 + [answer({"detail": "The file a.png was not found"}, 400)]

    async def first(connector):
        return await connector.image((await take(1)(connector)).pictures[0])

    with pytest.raises(FileNotFoundError, match=r"a\.png was not found"):
        run(server, first)


@pytest.mark.parametrize("section", [{"project": 4}, {"project": None, "tasks": [77]}], ids=["project", "task"])
def test_number_of_nothing_is_an_error_and_not_an_empty_list(server, section):
    with pytest.raises(ConfigError, match=r"no (projects/4|tasks/77)"):
        run(server, listed, **section)
    assert run(server, listed) == []  # the project is there, and nothing in it


def test_labels_are_asked_for_in_the_organization_of_the_job(server):
    server.job(organization=12, **FINISHED)
    run(server, take(1))
    assert {request.query.get("org_id") for request in server.asked if request.path == "/api/labels"} == {"12"}


@pytest.mark.parametrize("position", range(6))
@pytest.mark.parametrize(
    "fault",
    [
        answer({"detail": "Request was throttled."}, 429, headers={"Retry-After": "0"}),
        answer(b"<html>Bad gateway</html>", 502),
        answer(b'{"count": 1, "resu'),
        answer(b'{"count": 1}', cut=5),
    ],
    ids=["throttled", "bad gateway", "JSON that ends early", "body cut short"],
)
def test_fault_at_any_point_changes_nothing(server, fault, position):
    server.job(shapes=[BOX], guide_id=4, **FINISHED)
    server.faults = [None] * position + [fault]
    (shape,) = run(server, take(1)).pictures[0].shapes
    assert shape.box_px == (10, 20, 20, 30)
    assert len(server.asked) == 7  # jobs, annotations, meta, job, labels, guide; and one again


def test_server_that_stays_away_is_unavailable(server):
    server.job(**FINISHED)
    item = run(server, listed)[0]
    server.faults = [answer(b"", 503)] * 10_000
    with pytest.raises(Unavailable, match="asked for"):
        run(server, lambda one: one.fetch(item), patience_s=0.3)


SAID = [
    Objection("a.png", "5", "too_small", "3 px", "at least 5 px", "https://airflow/x"),
    Objection("a.png", None, "blurred", "1", "5"),
]


def give_back(connector):
    return connector.give_back("job-1", SAID)


@pytest.mark.parametrize("organization", [None, 12])
def test_rejected_labels_become_issues_and_open_the_job_once(server, organization):
    server.job(shapes=[BOX], organization=organization, **FINISHED)
    assert "2 issues made; back to annotation" in run(server, give_back)
    assert "2 there already; it is open already" in run(server, give_back)
    issues = list(server.issues.values())
    assert [(one["frame"], one["position"]) for one in issues] == [(0, [10, 20, 30, 50]), (0, [0, 0, 200, 100])]
    message = server.comments[1]["message"]
    assert all(word in message for word in ("too_small", "3 px", "at least 5 px", "https://airflow/x"))
    assert (server.jobs[1]["stage"], server.jobs[1]["state"]) == ("annotation", "in progress")


def test_issue_that_was_resolved_without_cause_is_opened_again(server):
    server.job(shapes=[BOX], **FINISHED)
    run(server, give_back)
    server.issues[1]["resolved"] = True
    server.change(1, **FINISHED)
    assert "1 opened again, 1 there already; back to annotation" in run(server, give_back)
    assert len(server.issues) == 2
    assert not server.issues[1]["resolved"]


def test_issue_whose_answer_was_lost_is_not_made_twice(server, monkeypatch):
    server.job(shapes=[BOX], **FINISHED)
    made = server._new_issue

    def lose_the_answer(said):
        made(said)
        monkeypatch.setattr(server, "_new_issue", made)
        return answer(b"", 504)

    monkeypatch.setattr(server, "_new_issue", lose_the_answer)
    run(server, give_back)
    assert len(server.issues) == 2


def test_picture_that_is_not_there_any_more_is_told(server):
    server.job(names=("b.png",), **FINISHED)
    assert "2 of no frame any more" in run(server, give_back)


def test_connector_gives_back():
    assert issubclass(cvat.Connector, GivesBack)


def test_only_who_knows_the_secret_signs():
    body = b'{"event":"update:job"}'
    good = "sha256=" + hmac.new(b"secret", body, hashlib.sha256).hexdigest()
    assert cvat.Connector.is_genuine(b"secret", {"x-signature-256": good}, body)
    for headers, said in (({"x-signature-256": good}, body + b" "), ({"x-signature-256": "sha256=é"}, body), ({}, body)):
        assert not cvat.Connector.is_genuine(b"secret", headers, said)
    assert not cvat.Connector.is_genuine(b"other", {"x-signature-256": good}, body)


@pytest.mark.parametrize(
    "section",
    [
        {},
        {"project": 3, "tasks": [1]},
        {"project": 3, "finished": {"stages": ["done"]}},
        {"project": 3, "annotators": ["ann"], "assignee_is": "reviewer"},
        {"project": 3, "organisation": "x"},
    ],
    ids=["nothing named", "both named", "no such stage", "annotators unknowable", "unknown key"],
)
def test_wrong_settings_are_refused(section):
    with pytest.raises(ValidationError):
        settings_of("cvat", {"url": "https://cvat.example"} | section)


def test_times_are_asked_for_in_utc(server):
    server.job()
    since = datetime(2026, 11, 21, 4, tzinfo=UTC).astimezone()
    assert len(run(server, lambda one: listed(one, since))) == 1
