"""What a data row of a Labelbox export says: its state by the team's rule, its picture, the shapes of each label."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from include.labelling import drawings
from include.labelling.addresses import as_path
from include.labelling.drawings import Drawing, attributes_json, to_json
from include.labelling.items import NAN, Item, Picture, Shape, Status
from include.labelling.stamps import digest, latest, utc_text

if TYPE_CHECKING:
    from include.labelling.labelbox.connector import Settings


def item(row: Any, line: bytes, settings: Settings) -> Item:
    """`line`: the row as it came; kept only where labels are read from it, and small: a project has many rows."""
    details = row["data_row"].get("details") or {}
    labels, project = _labels(row, settings), _project(row, settings)
    state = str((project.get("project_details") or {}).get("workflow_status") or "unknown")
    status = _status(state, labels, settings)
    times = [_details(label).get(key) for label in labels for key in ("updated_at", "created_at")]
    said = [
        (label.get("id"), _details(label).get("updated_at"), _details(label).get("content_last_updated_at")) for label in labels
    ]
    return Item(
        id=str(row["data_row"]["id"]),
        revision=digest(sorted(map(to_json, said)), status, state),
        status=status,
        state=state,
        updated_at=latest(details.get("last_activity_at"), *times),
        payload=line if status == "finished" else None,
    )


def picture(row: Any, settings: Settings) -> Picture:
    data_row, media = row["data_row"], row.get("media_attributes") or {}
    labels = _counting(_labels(row, settings), settings)
    authors = (_details(label).get("created_by") for label in labels)
    metadata = {field.get("schema_name"): field.get("value") for field in row.get("metadata_fields") or []}
    return Picture(
        name=as_path(data_row.get("global_key") or data_row.get("external_id") or data_row["id"]),
        shapes=tuple(shape for label in labels for shape in _shapes(label, settings)),
        address=data_row.get("row_data"),
        width_px=float(media.get("width") or NAN),
        height_px=float(media.get("height") or NAN),
        attributes=attributes_json(metadata),
        annotators=tuple(dict.fromkeys(author for author in authors if author)),  # a label is one person's view of the whole row
    )


def _project(row: Any, settings: Settings) -> Mapping[str, Any]:
    found: Mapping[str, Any] = (row.get("projects") or {}).get(settings.project) or {}
    return found


def _labels(row: Any, settings: Settings) -> list[Any]:
    """Each label once, in the order of their ids: pages may come twice and shuffled."""
    found = {str(label.get("id")): label for label in _project(row, settings).get("labels") or []}
    return [found[key] for key in sorted(found)]


def _details(label: Any) -> Mapping[str, Any]:
    found: Mapping[str, Any] = label.get("label_details") or {}
    return found


def _status(state: str, labels: list[Any], settings: Settings) -> Status:
    if state not in settings.workflow_status:
        return "waiting"
    if labels and all(_is_skipped(label) for label in labels):
        return "skipped"
    return "finished" if _counting(labels, settings) else "waiting"


def _is_skipped(label: Any) -> bool:
    return bool((label.get("performance_details") or {}).get("skipped"))


def _counting(labels: list[Any], settings: Settings) -> list[Any]:
    """The labels that are finished work by the team's rule: by whom, reviewed, verified."""
    return [
        label
        for label in labels
        if not _is_skipped(label)
        and (settings.annotators is None or _details(label).get("created_by") in settings.annotators)
        and (not settings.reviewed or _details(label).get("reviews"))
        and all(_answers(label.get("annotations") or {}).get(name) == answer for name, answer in settings.verified.items())
    ]


def _answers(annotated: Mapping[str, Any]) -> dict[str, Any]:
    return {name: answer for one in annotated.get("classifications") or [] for name, answer in [_answer(one)]}


def _answer(said: Mapping[str, Any]) -> tuple[str, Any]:
    """The name of a question and its answer: a text, a list of texts, or as it came."""
    name = str(said.get("name") or said.get("title"))
    for key in ("radio_answer", "answer"):
        if isinstance(one := said.get(key), Mapping):
            return name, one.get("name") or one.get("title") or one.get("value")
    for key in ("checklist_answers", "answers"):
        if isinstance(many := said.get(key), list):
            return name, [one.get("name") or one.get("title") or one.get("value") for one in many]
    text = said.get("text_answer") or said.get("answer")
    return name, text.get("content") if isinstance(text, Mapping) else text if text is not None else dict(said)


def _shapes(label: Any, settings: Settings) -> Iterator[Shape]:
    details = _details(label)
    review = max(details.get("reviews") or [{}], key=lambda one: str(one.get("reviewed_at", "")))
    whose = {
        "annotator": details.get("created_by"),
        "reviewer": review.get("reviewed_by"),
        "reviewed_at": utc_text(review.get("reviewed_at")),
        "job": str(label.get("id")),
        "drawn_at": utc_text(details.get("content_last_updated_at") or details.get("updated_at") or details.get("created_at")),
        "guideline": settings.guideline,
    }
    annotated = label.get("annotations") or {}
    for drawn in annotated.get("objects") or []:
        try:
            kind, box_px, geometry = _drawing(drawn)
        except drawings.UNREADABLE_ERRORS:
            kind, box_px, geometry = drawings.UNREADABLE
        yield Shape(
            kind, drawn.get("name") or drawn.get("title"), box_px, to_json(drawn), geometry,
            annotation_id=drawn.get("feature_id") or drawn.get("featureId"), attributes=attributes_json(_answers(drawn)), **whose,
        )  # fmt: skip
    for said in annotated.get("classifications") or []:
        name, answer = _answer(said)
        kind, box_px, geometry = drawings.tag()
        yield Shape(
            kind, name, box_px, to_json(said), geometry,
            annotation_id=said.get("feature_id") or said.get("featureId"), attributes=attributes_json({name: answer}), **whose,
        )  # fmt: skip


def _drawing(drawn: Mapping[str, Any]) -> Drawing:
    if given := drawn.get("bounding_box") or drawn.get("bbox"):
        return drawings.box(given["left"], given["top"], given["width"], given["height"])
    if given := drawn.get("polygon"):
        return drawings.polygon([[drawings.xy(given)]])
    if given := drawn.get("line"):
        return drawings.polyline([drawings.xy(given)])
    if given := drawn.get("point"):
        return drawings.points(drawings.xy([given]))
    if "mask" in drawn or "composite_mask" in drawn:
        return "mask", drawings.NO_BOX, None
    return drawings.UNREADABLE
