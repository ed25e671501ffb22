"""The Label Studio connector against a real server that annotators work on."""

import asyncio
import base64
import io
from datetime import datetime, timedelta

import pytest
import tenacity
from PIL import Image
from pydantic import ValidationError

from include.errors import ConfigError, Unavailable
from include.labelling import patience, web
from include.labelling.connector import GivesBack, connect, settings_of
from include.labelling.items import Objection, Picture
from include.labelling.label_studio import connector as kind
from tests.hosted_servers.serving import Files, Service, answer, serving
from tests.labelled_coco import coco_of

real = pytest.mark.integration


@pytest.fixture(autouse=True)
def without_waits(monkeypatch):
    monkeypatch.setattr(patience, "_growing", tenacity.wait_none())


def run(studio, project, use, token=None, patience_s=30, **section):
    async def in_a_web():
        async with web.Web(studio.url, token or studio.token, patience_s=patience_s) as one:
            return await use(connect("label_studio", {"url": studio.url, "project": project} | section, one))

    return asyncio.run(in_a_web())


async def listed(connector, since=None):
    return [item async for item in connector.items(since)]


async def taken(connector):
    return [await connector.fetch(item) for item in await listed(connector) if item.status == "finished"]


def png(color="green"):
    data = io.BytesIO()
    Image.new("RGB", (200, 100), color).save(data, "PNG")
    return data.getvalue()


@real
def test_work_of_several_people_is_listed_by_what_they_did(label_studio):
    project = label_studio.project(maximum_annotations=2)
    both, one, skipped, deleted, untouched = (label_studio.import_task(project, image=f"http://x/{n}.png") for n in range(5))
    ann = label_studio.person("ann@example.com")
    for task in (both, one):
        label_studio.annotate(task, [label_studio.box("tree", 10, 20, 30, 40)])
    label_studio.annotate(both, [label_studio.box("shrub", 10, 20, 30, 41)], who=ann)
    label_studio.skip(skipped)
    gone = label_studio.annotate(deleted, [label_studio.box("tree", 1, 1, 1, 1)])
    label_studio.ask("DELETE", f"/api/annotations/{gone}/")

    found = {item.id: item for item in run(label_studio, project, listed)}
    tasks = [found[f"task-{task}"] for task in (both, one, skipped, deleted, untouched)]
    assert [item.status for item in tasks] == ["finished", "waiting", "skipped", "gone", "waiting"]
    assert [item.state for item in tasks[:3]] == ["2 submitted, 0 skipped", "1 submitted, 0 skipped", "0 submitted, 1 skipped"]
    (labelled,) = run(label_studio, project, taken, guideline="v4")
    shapes = labelled.pictures[0].shapes
    assert [(one.annotator, one.class_name, one.box_px) for one in shapes] == [
        ("lead@example.com", "tree", (20, 20, 60, 40)), ("ann@example.com", "shrub", (20, 20, 60, 41)),
    ]  # fmt: skip
    assert {(one.job, one.guideline) for one in shapes} == {(f"task-{both}", "v4")}
    assert run(label_studio, project, listed, finished="annotated", annotators=["ann@example.com"])[1].status == "waiting"


@real
def test_corrected_and_withdrawn_annotations_change_the_revision_and_are_listed_again(label_studio):
    project = label_studio.project()
    task = label_studio.import_task(project, image="http://x/a.png")
    other = label_studio.import_task(project, image="http://x/b.png")
    made = label_studio.annotate(task, [label_studio.box("tree", 10, 20, 30, 40)])
    label_studio.annotate(other, [label_studio.box("tree", 10, 20, 30, 40)])
    before = {item.id: item for item in run(label_studio, project, listed)}
    since = max(item.updated_at for item in before.values())

    corrected = {"result": [label_studio.box("shrub", 10, 20, 30, 40)]}
    label_studio.ask("PATCH", f"/api/annotations/{made}/", json=corrected)
    (item,) = run(label_studio, project, lambda one: listed(one, since + timedelta(microseconds=1)))
    assert item.id == f"task-{task}"
    assert item.revision != before[item.id].revision
    assert [one.class_name for one in run(label_studio, project, taken)[0].pictures[0].shapes] == ["shrub"]
    again = run(label_studio, project, lambda one: listed(one, item.updated_at))
    assert [one.id for one in again] == [item.id]  # the very microsecond is in it


@real
def test_prediction_moves_the_time_of_a_task_but_not_its_revision(label_studio):
    project = label_studio.project()
    task = label_studio.import_task(project, image="http://x/a.png")
    label_studio.annotate(task, [label_studio.box("tree", 10, 20, 30, 40)])
    (before,) = run(label_studio, project, listed)
    label_studio.ask("POST", "/api/predictions/", json={"task": task, "result": [label_studio.box("tree", 1, 1, 1, 1)]})
    (after,) = run(label_studio, project, listed)
    assert after.updated_at > before.updated_at
    assert after.revision == before.revision


@real
@pytest.mark.parametrize("count", [0, 2, 5], ids=["no task", "one full page", "a page that is not full"])
def test_every_page_is_read(label_studio, monkeypatch, count):
    monkeypatch.setattr(kind, "PAGE", 2)
    project = label_studio.project()
    tasks = [label_studio.import_task(project, image=f"http://x/{n}.png") for n in range(count)]
    assert [item.id for item in run(label_studio, project, listed)] == [f"task-{task}" for task in tasks]
    assert run(label_studio, project, lambda one: one.existing()) == {f"task-{task}" for task in tasks}


@real
def test_deleted_task_does_not_exist(label_studio):
    project = label_studio.project()
    kept, deleted = (label_studio.import_task(project, image=f"http://x/{n}.png") for n in range(2))
    label_studio.ask("DELETE", f"/api/tasks/{deleted}/")
    assert run(label_studio, project, lambda one: one.existing()) == {f"task-{kept}"}


@real
def test_images_come_from_uploads_folders_other_hosts_and_the_task_itself(label_studio):
    project = label_studio.project()
    label_studio.local_files(project, "site")
    (label_studio.files / "site" / "b c.png").write_bytes(png("blue"))
    with serving(Files()) as elsewhere:
        inside = "data:image/png;base64," + base64.b64encode(png("red")).decode()
        addresses = [
            "/data/local-files/?d=site/b%20c.png",
            elsewhere.put("/x/c.png", png("black")),
            inside,
            f"{elsewhere.url}/no.png",
        ]
        tasks = [label_studio.upload(project, "a.png", png("green"))]
        tasks += [label_studio.import_task(project, image=address) for address in addresses]
        for task in tasks:
            label_studio.annotate(task, [label_studio.box("tree", 10, 20, 30, 40)])

        async def images(connector):
            pictures = [labelled.pictures[0] for labelled in await taken(connector)]
            return [picture.name for picture in pictures], [await connector.image(picture) for picture in pictures[:4]]

        names, files = run(label_studio, project, images)
        assert files == [png(color) for color in ("green", "blue", "black", "red")]
        assert names[0].endswith("-a.png")
        assert names[1:] == ["site/b c.png", "x/c.png", f"task-{tasks[3]}/image-0", "no.png"]
        assert all("authorization" not in request.headers for request in elsewhere.asked)


@real
def test_personal_access_token_is_exchanged_and_renewed(label_studio):
    project = label_studio.project()
    label_studio.annotate(label_studio.upload(project, "a.png", png()), [label_studio.box("tree", 10, 20, 30, 40)])

    async def after_five_minutes(connector):
        (labelled,) = await taken(connector)
        connector.web.headers["Authorization"] = "Bearer e.x.pired"
        at_once = [connector.image(labelled.pictures[0]), connector.existing(), connector.image(labelled.pictures[0])]
        return await asyncio.gather(*at_once)

    image, _, _ = run(label_studio, project, after_five_minutes, token=label_studio.personal_token)
    assert image == png()


@real
@pytest.mark.parametrize("token", ["wrong", "eyJ.wrong.token"], ids=["legacy", "personal"])
def test_wrong_token_is_an_error_that_does_not_show_it(label_studio, token):
    with pytest.raises(ConfigError) as told:
        run(label_studio, 1, listed, token=token)
    assert token not in str(told.value)


@real
def test_unknown_project_is_an_error(label_studio):
    with pytest.raises(ConfigError, match="no project 999"):
        run(label_studio, 999, listed)


@real
def test_rejected_labels_are_shown_beside_the_annotation_once(label_studio):
    project = label_studio.project()
    task = label_studio.import_task(project, image="http://x/a.png")
    label_studio.annotate(task, [label_studio.box("tree", 10, 20, 30, 40), label_studio.box("shrub", 1, 1, 1, 1)])
    (before,) = run(label_studio, project, listed)
    (labelled,) = run(label_studio, project, taken)
    said = [
        Objection("a.png", labelled.pictures[0].shapes[1].annotation_id, "too_small", "2 px", "5 px", "https://airflow/x"),
        Objection("a.png", None, "blurred", "0.1", "0.5"),
    ]

    async def give_back(connector):
        return await connector.give_back(f"task-{task}", said)

    assert "1 regions shown as a prediction, 2 notes made, 0 there already" in run(label_studio, project, give_back)
    assert "0 regions shown as a prediction, 0 notes made, 2 there already" in run(label_studio, project, give_back)
    now = label_studio.ask("GET", f"/api/tasks/{task}/")
    (prediction,) = now["predictions"]
    (region,) = prediction["result"]
    assert region["value"]["rectanglelabels"] == ["shrub"]
    assert region["meta"]["text"][:1] == ["too_small: got 2 px; expected 5 px"]
    assert sorted(text.partition(":")[0] for text in now["meta"]["visionloop"].values()) == ["blurred", "too_small"]
    assert run(label_studio, project, listed)[0].revision == before.revision


@real
def test_webhook_of_the_server_is_known_by_its_header(label_studio):
    class Hook(Service):
        def answer_to(self, request):
            return answer({})

    project = label_studio.project()
    task = label_studio.import_task(project, image="http://x/a.png")
    with serving(Hook()) as hook:
        headers = {"X-Visionloop-Secret": "the secret"}
        label_studio.ask("POST", "/api/webhooks/", json={"project": project, "url": hook.url, "headers": headers})
        label_studio.annotate(task, [label_studio.box("tree", 10, 20, 30, 40)])
        label_studio.tasks(project)  # one thread serves: the call is out by now
        call = next(one for one in hook.asked if one.json["action"] == "ANNOTATION_CREATED")
    assert kind.Connector.is_genuine(b"the secret", call.headers, call.body)
    assert not kind.Connector.is_genuine(b"another", call.headers, call.body)


def test_call_without_the_secret_is_not_genuine():
    assert not kind.Connector.is_genuine(b"the secret", {}, b"")
    assert not kind.Connector.is_genuine(b"the secret", {"x-visionloop-secret": "the secrét"}, b"")


class Pages(Service):
    """Lists tasks as Label Studio does; a page past the end is 404."""

    def __init__(self, tasks):
        super().__init__()
        self.tasks, self.on_page = tasks, lambda: None

    def answer_to(self, request):
        page, size = int(request.query["page"]), int(request.query["page_size"])
        shown = self.tasks[(page - 1) * size : page * size]
        said = {"total": len(self.tasks), "tasks": self.messy(shown)}
        self.on_page()
        return answer(said) if shown else answer({"detail": "Invalid page."}, 404)


def task(number):
    return {"id": number, "updated_at": f"2026-11-21T05:00:0{number}.000000Z", "annotations": [], "data": {}}


def test_task_deleted_while_tasks_are_listed_hides_no_other(monkeypatch):
    monkeypatch.setattr(kind, "PAGE", 2)
    with serving(Pages([task(number) for number in range(1, 6)])) as service:
        service.on_page = lambda: service.tasks.pop(0) if service.tasks[0]["id"] == 1 else None
        assert {item.id for item in run(service, 1, listed)} >= {"task-2", "task-3", "task-4", "task-5"}


def test_pages_shuffled_and_repeated_give_each_task_once(monkeypatch):
    monkeypatch.setattr(kind, "PAGE", 2)
    with serving(Pages([task(number) for number in range(1, 6)])) as service:
        service.is_messy = True
        assert sorted(item.id for item in run(service, 1, listed)) == [f"task-{number}" for number in range(1, 6)]


def test_time_is_asked_for_as_the_server_reads_it():
    with serving(Pages([task(1)])) as service:
        run(service, 1, lambda one: listed(one, datetime.fromisoformat("2026-11-21T06:00:00+01:00")))
        assert '"value": "2026-11-21T05:00:00.000000Z"' in service.asked[0].query["query"]


@pytest.mark.parametrize(
    "fault",
    [answer({}, 429, headers={"Retry-After": "0"}), answer(b"", 500), answer(b'{"total": 1, "ta'), answer(b"{}", cut=3)],
    ids=["throttled", "error", "JSON that ends early", "body cut short"],
)
def test_fault_changes_nothing(fault):
    with serving(Pages([task(1)])) as service:
        service.faults = [fault]
        assert [item.id for item in run(service, 1, listed)] == ["task-1"]
        service.faults = [fault] * 10_000
        with pytest.raises(Unavailable):
            run(service, 1, listed, patience_s=0.2)


def test_person_whose_email_may_not_be_asked_is_a_number():
    choice = {"id": "r", "type": "choices", "to_name": "image", "from_name": "kind", "value": {"choices": ["oak"]}}
    labelled = task(1) | {"annotations": [{"id": 2, "completed_by": 7, "result": [choice]}]}

    class Closed(Pages):
        def answer_to(self, request):
            if request.path == "/api/users/":
                return answer({"detail": "You do not have permission."}, 403)
            if "projects" in request.path:
                image = {"to_name": ["image"], "inputs": [{"type": "Image", "value": "image"}]}
                return answer({"parsed_label_config": {"kind": image}})
            return super().answer_to(request)

    with serving(Closed([labelled | {"is_labeled": True, "data": {"image": "a.png"}}])) as service:
        (found,) = run(service, 1, taken)
    assert coco_of(found)["annotations"][0]["annotator"] == "7"


def test_bucket_address_is_resolved_by_the_server():
    class Resolver(Service):
        def answer_to(self, request):
            return answer(base64.urlsafe_b64decode(request.query["fileuri"]) + request.path.encode())

    with serving(Resolver()) as service:
        picture = Picture("a.png", (), {"task": 4, "at": "s3://bucket/a b.png"})
        assert run(service, 1, lambda one: one.image(picture)) == b"s3://bucket/a b.png/tasks/4/resolve/"


def test_prediction_whose_answer_was_lost_is_not_made_twice():
    region = {"id": "r", "type": "rectanglelabels", "value": {}}
    one = task(1) | {"annotations": [{"id": 2, "result": [region]}], "predictions": [], "meta": {}}

    class Forgetful(Service):
        def answer_to(self, request):
            if request.path == "/api/comments/":
                return answer({}, 404)
            if request.path == "/api/predictions/":
                one["predictions"].append(request.json)
                return answer(b"", 504)
            if request.method == "PATCH":
                one.update(request.json)
            return answer(one)

    async def give_back(connector):
        return await connector.give_back("task-1", [Objection("a.png", "2/r", "too_small", "2 px", "5 px")])

    with serving(Forgetful()) as service:
        run(service, 1, give_back)
    assert len(one["predictions"]) == len(one["meta"]["visionloop"]) == 1


def test_connector_gives_back():
    assert issubclass(kind.Connector, GivesBack)


@pytest.mark.parametrize("section", [{}, {"project": 1, "finished": "done"}, {"project": 1, "x": 1}])
def test_wrong_settings_are_refused(section):
    with pytest.raises(ValidationError):
        settings_of("label_studio", {"url": "https://studio.example"} | section)
