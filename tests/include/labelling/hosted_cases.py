"""The six hosted services, each with a project of its own: what they hold, and what a connector must make of it."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from tests.hosted_servers.labelbox import Labelbox
from tests.hosted_servers.sama import Sama
from tests.hosted_servers.serving import Files, Service
from tests.hosted_servers.superannotate import SuperAnnotate
from tests.hosted_servers.superb_ai import SuperbAI
from tests.hosted_servers.v7 import V7
from tests.hosted_servers.zillin import Zillin
from tests.labelled_coco import case

SINCE = "2024-04-08T16:34:01+00:00"


@dataclass(frozen=True)
class Hosted:
    """`statuses`: of every item, by the default rule. `since` → ids: what changed at or after. `golden`: item id → case."""

    kind: str
    make: Callable[[Files], Service]
    settings: Callable[[str], dict[str, Any]]
    unknown: dict[str, Any]
    statuses: dict[str, str]
    since: str
    changed: set[str]
    golden: tuple[str, str]
    existing: set[str] | None
    stricter: dict[str, Any] = field(default_factory=dict)
    stricter_statuses: dict[str, str] = field(default_factory=dict)


def _labelbox(storage: Files) -> Service:
    golden = case("labelbox/consensus")
    storage.put("/x.jpeg", b"the picture")
    golden["data_row"]["row_data"] = f"{storage.url}/x.jpeg?X-Signature=signed-for-one-hour"
    rows = [golden]
    for number, (state, at) in enumerate(
        [("IN_REVIEW", "2024-04-08T16:34:00"), ("DONE", "2024-04-09T10:00:00"), ("DONE", "2024-04-10T10:00:00")]
    ):
        row = copy.deepcopy(golden)
        row["data_row"] |= {
            "id": f"row-{number}",
            "global_key": f"{number}.jpg",
            "details": {"last_activity_at": f"{at}.000+00:00"},
        }
        row["projects"]["clur-project"]["project_details"]["workflow_status"] = state
        rows.append(row)
    skipped = rows[3]["projects"]["clur-project"]["labels"]
    rows[3]["projects"]["clur-project"]["labels"] = [{**skipped[0], "performance_details": {"skipped": True}}]
    rows[2]["projects"]["clur-project"]["labels"] = [skipped[1]]  # bob's alone: nobody reviewed it
    return Labelbox(storage, rows)


def _v7(storage: Files) -> Service:
    golden = case("v7/polygon_with_box")
    key = golden["item"]["source_info"]["item_id"]
    golden["item"]["slots"][0]["source_files"][0]["url"] = storage.put("/test2.png", b"the picture")
    document = {
        "version": "2.0",
        "item": {"name": "b.png", "path": "/", "source_info": {"item_id": "b"}, "slots": []},
        "annotations": [],
    }
    item = {"path": "/", "archived": False, "slots": golden["item"]["slots"], "dataset_id": 1692, "tags": []}
    items = [
        item | {"id": key, "name": "test2.png", "status": "complete", "updated_at": "2026-11-20T10:00:00Z", "tags": ["checked"]},
        item | {"id": "b", "name": "b.png", "status": "complete", "updated_at": "2026-11-19T10:00:00Z"},
        item | {"id": "c", "name": "c.png", "status": "annotate", "updated_at": "2026-11-18T10:00:00Z"},
        item | {"id": "d", "name": "d.png", "status": "complete", "archived": True, "updated_at": "2026-11-20T11:00:00Z"},
        item | {"id": "e", "name": "e.png", "status": "new", "updated_at": "2026-11-17T10:00:00Z"},
        item | {"id": "f", "name": "f.png", "status": "new", "updated_at": "2026-11-16T10:00:00Z"},
    ]
    return V7(storage, items, {key: golden, **{one: document for one in "bcdef"}})


def _superannotate(storage: Files) -> Service:
    golden = case("superannotate/vector")
    path = storage.put("/example_image_1.jpg", b"the picture")
    item = {
        "name": "example_image_1.jpg",
        "folder_id": 1,
        "annotator_email": "ann@x",
        "qa_email": "qa@x",
        "metadata": {"path": path},
    }
    items = [
        item | {"id": 1, "annotation_status": 5, "approval_status": 2, "updatedAt": "2026-11-20T10:00:00.000Z"},
        item | {"id": 2, "annotation_status": 5, "approval_status": 0, "updatedAt": "2026-11-19T10:00:00.000Z"},
        item | {"id": 3, "annotation_status": 6, "approval_status": None, "updatedAt": "2026-11-20T10:00:01.000Z"},
        item | {"id": 4, "annotation_status": "InProgress", "updatedAt": "2026-11-18T10:00:00.000Z"},
    ]
    return SuperAnnotate(items, {key: golden for key in (1, 2, 3, 4)})


def _sama(storage: Files) -> Service:
    golden = case("sama/vector")
    url = storage.put("/images/logo%20one.png", b"the picture")
    task = golden | {"data": golden["data"] | {"url": url}}
    tasks = [
        task,
        task | {"id": "t2", "delivered_at": "2026-11-19T10:00:00Z", "answers": {"verified": "yes"}},
        task | {"id": "t3", "state": "rejected", "delivered_at": "2026-11-20T12:00:00Z"},
        task | {"id": "t4", "state": "in progress", "delivered_at": "2026-11-18T10:00:00Z"},
    ]
    return Sama(tasks)


def _superb_ai(storage: Files) -> Service:
    label = {
        "projectId": "5c1d-project", "dataset": "plots", "dataKey": "north/1.jpg",
        "dataUrl": storage.put("/1.jpg", b"the picture"),
        "status": "SUBMITTED", "tags": [], "workAssignee": "ann@x", "reviewer": "rev@x", "lastReviewAction": None, "result": None,
        "createdAt": "2026-11-01T00:00:00.000Z", "lastUpdatedAt": "2026-11-20T09:00:00.000Z", "lastReviewedAt": None,
        "lastLabeledAt": "2026-11-20T09:00:00+00:00",
    }  # fmt: skip
    reviewed = {
        "lastReviewAction": "APPROVE", "lastReviewedAt": "2026-11-20T11:00:00.000Z",
        "lastUpdatedAt": "2026-11-10T09:00:00.000Z", "lastLabeledAt": "2026-11-10T09:00:00+00:00",
    }  # fmt: skip
    old = {"lastUpdatedAt": "2026-11-12T09:00:00.000Z", "lastLabeledAt": "2026-11-12T09:00:00+00:00"}
    labels = [
        label | {"id": "l-1"},
        label | {"id": "l-2"} | reviewed,  # approved ten days after it was drawn: the filter by time would not show it
        label | {"id": "l-3", "status": "SKIPPED"},
        label | {"id": "l-4", "status": "WORKING"} | old,
        label | {"id": "l-5"} | old,
    ]
    infos = {key: {"version": "0.4", "result": case("superb_ai/old")} for key in ("l-1", "l-2", "l-5")}
    return SuperbAI(storage, labels, infos)


def _zillin(_: Files) -> Service:
    service = Zillin(case("zillin/accepted"))
    service.files["img-1"] = b"\xff\xd8\xffthe picture"
    return service


HOSTED = [
    Hosted(
        "labelbox", _labelbox,
        lambda url: {"url": url, "project": "clur-project", "export_every_s": 0.01, "export_limit_s": 5},
        unknown={"project": "another"},
        statuses={"clf9spzx": "finished", "row-0": "waiting", "row-1": "finished", "row-2": "skipped"},
        since=SINCE, changed={"clf9spzx", "row-1", "row-2"}, golden=("clf9spzx", "labelbox/consensus"),
        existing={"clf9spzx", "row-0", "row-1", "row-2"},
        stricter={"reviewed": True}, stricter_statuses={"clf9spzx": "finished", "row-1": "waiting"},
    ),
    Hosted(
        "v7", _v7,
        lambda url: {
            "url": f"{url}/api", "team": "e2e-testing", "dataset": "test-1692", "dataset_id": 1692,
            "export_every_s": 0.01, "export_limit_s": 5,
        },
        unknown={"team": "another"},
        statuses={
            "018afa47-77aa-13d3-c39e-ed5fa1687f8e": "finished", "b": "finished", "c": "waiting", "d": "gone",
            "e": "waiting", "f": "waiting",
        },
        since="2026-11-19T10:00:00+00:00", changed={"018afa47-77aa-13d3-c39e-ed5fa1687f8e", "b", "d"},
        golden=("018afa47-77aa-13d3-c39e-ed5fa1687f8e", "v7/polygon_with_box"),
        existing={"018afa47-77aa-13d3-c39e-ed5fa1687f8e", *"bcdef"},
        stricter={"verified_tag": "checked"},
        stricter_statuses={"018afa47-77aa-13d3-c39e-ed5fa1687f8e": "finished", "b": "waiting"},
    ),
    Hosted(
        "superannotate", _superannotate,
        lambda url: {
            "url": url, "items_url": f"{url}/items_api", "annotations_url": f"{url}/assets_api", "team_id": 7, "project_id": 42,
        },
        unknown={"project_id": 43},
        statuses={"1": "finished", "2": "finished", "3": "skipped", "4": "waiting"},
        since="2026-11-20T10:00:00+00:00", changed={"1", "3"},
        golden=("1", "superannotate/vector"), existing={"1", "2", "3", "4"},
        stricter={"approvals": ["Approved"]}, stricter_statuses={"1": "finished", "2": "waiting"},
    ),
    Hosted(
        "sama", _sama, lambda url: {"url": f"{url}/v2", "project": 117}, unknown={"project": 118},
        statuses={"51e77305ff1d8131a4000011": "finished", "t2": "finished", "t3": "waiting", "t4": "waiting"},
        since="2026-11-20T10:00:00+00:00", changed={"51e77305ff1d8131a4000011", "t3"},
        golden=("51e77305ff1d8131a4000011", "sama/vector"), existing={"51e77305ff1d8131a4000011", "t2", "t3", "t4"},
        stricter={"verified": {"verified": "yes"}}, stricter_statuses={"51e77305ff1d8131a4000011": "waiting", "t2": "finished"},
    ),
    Hosted(
        "superb_ai", _superb_ai, lambda url: {"url": url, "team": "forest-team", "project": "5c1d-project"},
        unknown={"project": "another"},
        statuses={"l-1": "finished", "l-2": "finished", "l-3": "skipped", "l-4": "waiting", "l-5": "finished"},
        since="2026-11-20T09:00:00+00:00", changed={"l-1", "l-2", "l-3"}, golden=("l-1", "superb_ai/old"),
        existing={f"l-{n}" for n in range(1, 6)},
        stricter={"reviews": ["APPROVE"]}, stricter_statuses={"l-1": "waiting", "l-2": "finished", "l-5": "waiting"},
    ),
    Hosted(
        "zillin", _zillin,
        lambda url: {"url": url, "export": "api/Projects/9/export", "image": "api/Images/{image_id}"},
        unknown={"export": "api/Projects/8/export"},
        statuses={"img-1": "finished", "img-2": "finished", "beach/z.jpg": "finished"},
        since="2030-01-01T00:00:00+00:00", changed={"img-1", "img-2", "beach/z.jpg"},
        golden=("img-1", "zillin/accepted"), existing=None,
    ),
]  # fmt: skip
