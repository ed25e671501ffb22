"""CVAT's JSON of a job becomes the COCO that was worked out by hand."""

import json

import numpy as np
import pytest
from cvat_sdk.masks import encode_mask

from include.labelling.cvat.shapes import Job, pictures
from include.labelling.drawings import NO_BOX
from include.labelling.items import Labelled, Refused, Shape
from tests.labelled_coco import case, coco_of

BOX = {"type": "rectangle", "occluded": False, "outside": False, "z_order": 0, "rotation": 0.0, "attributes": []}


def job_of(said):
    like = Shape("other", None, NO_BOX, "", annotator=(said["job"]["assignee"] or {}).get("username"), job=str(said["job"]["id"]),
                 drawn_at=said["job"]["updated_date"].replace("Z", "+00:00"))  # fmt: skip
    return Job(said["job"], said["data_meta"], said["labels"], like)


def read(said):
    found, strays = pictures(job_of(said), said["annotations"])
    return Labelled(b"", found, strays)


def with_annotations(name, **drawn):
    said = case(f"cvat/{name}")
    return said | {"annotations": {"tags": [], "shapes": [], "tracks": []} | drawn}


@pytest.mark.parametrize("name", ["shapes", "track"])
def test_annotations_of_a_job_become_the_coco_worked_out_by_hand(name):
    assert coco_of(read(case(f"cvat/{name}"))) == case(f"cvat/{name}.coco")


def test_shapes_tags_and_tracks_of_one_number_are_told_apart():
    found = read(case("cvat/shapes"))
    assert {shape.annotation_id for picture in found.pictures[:2] for shape in picture.shapes} >= {"5", "tag-5"}
    assert {shape.annotation_id for picture in read(case("cvat/track")).pictures for shape in picture.shapes} == {"track-3"}


def test_mask_keeps_its_runs_inside_its_box():
    mask = np.zeros((80, 100), bool)
    mask[20, 12] = mask[21, 10:13] = True  # of the case, written by the SDK
    mask[20, 10:12] = True
    mask[20, 10] = mask[20, 11] = mask[21, 10] = False
    mask[20, 10] = mask[20, 11] = True
    raw = {**BOX, "id": 1, "frame": 11, "label_id": 7, "type": "mask", "points": encode_mask(mask)}
    (shape,) = read(with_annotations("shapes", shapes=[raw])).pictures[1].shapes
    runs = json.loads(shape.geometry)["rle"]
    assert (sum(runs), sum(runs[1::2])) == (6, int(mask.sum()))
    assert shape.box_px == (10, 20, 3, 2)


def test_shape_of_a_frame_that_the_job_has_not_is_a_stray():
    raw = {**BOX, "id": 1, "frame": 99, "label_id": 7, "points": [0, 0, 1, 1]}
    found = read(with_annotations("shapes", shapes=[raw]))
    assert [shape.annotation_id for shape in found.strays] == ["1"]
    assert [picture.shapes for picture in found.pictures] == [(), (), ()]


def test_two_frames_of_one_name_are_two_pictures():
    said = with_annotations("shapes")
    said["data_meta"]["frames"][1]["name"] = "site/a one.jpg"
    assert [picture.name for picture in read(said).pictures][:2] == ["site/a one.jpg", "frame_000011/site/a one.jpg"]


def test_track_goes_on_to_the_end_of_the_job_if_nothing_ends_it():
    track = {"id": 1, "frame": 0, "label_id": 7, "shapes": [{**BOX, "frame": 5, "points": [1, 2, 3, 4]}]}
    found = read(with_annotations("track", tracks=[track])).pictures
    assert [len(picture.shapes) for picture in found] == [0, 0, 0, 0, 0, 1, 1]


def test_track_turns_by_the_shorter_way():
    keys = [{**BOX, "frame": frame, "points": [0, 0, 10, 20], "rotation": turned} for frame, turned in ((0, 350.0), (2, 30.0))]
    found = read(with_annotations("track", tracks=[{"id": 1, "frame": 0, "label_id": 7, "shapes": keys}])).pictures
    assert json.loads(found[1].shapes[0].geometry)["angle_deg"] == pytest.approx(10)


def test_track_that_only_cvat_can_interpolate_is_refused():
    keys = [{**BOX, "type": "polygon", "frame": frame, "points": [0, 0, frame, 5, 5, 0]} for frame in (0, 3)]
    with pytest.raises(Refused, match="track 1"):
        read(with_annotations("track", tracks=[{"id": 1, "frame": 0, "label_id": 7, "shapes": keys}]))


def point(frame, *points, **said):
    return {**BOX, "type": "points", "frame": frame, "points": list(points), **said}


@pytest.mark.parametrize(
    ("first", "last", "between"),
    [((0, 0), (4, 8), [1, 2]), ((0, 0, 9, 9), (4, 8, 9, 9), [0, 0])],
    ids=["a single point moves evenly", "several points stay"],
)
def test_points_of_a_track_lie_where_cvat_shows_them(first, last, between):
    track = {"id": 1, "frame": 0, "label_id": 7, "shapes": [point(0, *first), point(4, *last)]}
    found = read(with_annotations("track", tracks=[track])).pictures
    assert json.loads(found[1].shapes[0].geometry)["points"][0] == between


def test_skeleton_track_is_a_skeleton_on_each_frame_where_a_point_of_it_is_seen():
    """One point moves, the other goes after frame 1; the skeleton ends with frame 4."""
    elements = [
        {"id": 2, "frame": 0, "label_id": 70, "shapes": [point(0, 0, 0), point(4, 4, 8)]},
        {"id": 3, "frame": 0, "label_id": 71, "shapes": [point(0, 9, 9), point(2, 9, 9, outside=True)]},
    ]
    keys = [
        {**BOX, "type": "skeleton", "frame": 0, "points": []},
        {**BOX, "type": "skeleton", "frame": 5, "outside": True, "points": []},
    ]
    said = with_annotations("track", tracks=[{"id": 1, "frame": 0, "label_id": 7, "shapes": keys, "elements": elements}])
    said["labels"] = [{"id": 7, "name": "tree", "sublabels": [{"id": 70, "name": "top"}, {"id": 71, "name": "foot"}]}]
    drawn = [[json.loads(shape.geometry) for shape in picture.shapes] for picture in read(said).pictures]
    assert drawn[1] == [{"points": [[1, 2], [9, 9]], "names": ["top", "foot"]}]
    assert drawn[3] == [{"points": [[3, 6]], "names": ["top"]}]
    assert [len(frame) for frame in drawn] == [1, 1, 1, 1, 1, 0, 0]
    assert {(one.kind, one.class_name) for picture in read(said).pictures for one in picture.shapes} == {("skeleton", "tree")}


def test_placeholder_of_a_frame_that_the_job_has_not_is_no_picture():
    said = with_annotations("shapes")
    said["data_meta"] |= {"included_frames": [10, 12], "deleted_frames": []}
    assert [picture.address["frame"] for picture in read(said).pictures] == [10, 12]


def test_video_of_one_frame_is_a_video():
    said = with_annotations("track")
    said["job"] = said["job"] | {"start_frame": 3, "stop_frame": 3, "mode": "interpolation"}
    assert [picture.name for picture in read(said).pictures] == [f"{said['data_meta']['frames'][0]['name']}/frame_000003.png"]


def test_polygon_track_with_all_its_frames_drawn_is_read():
    keys = [{**BOX, "type": "polygon", "frame": frame, "points": [0, 0, frame, 5, 5, 0]} for frame in range(7)]
    found = read(with_annotations("track", tracks=[{"id": 1, "frame": 0, "label_id": 7, "shapes": keys}])).pictures
    assert [picture.shapes[0].box_px[2] for picture in found] == [5, 5, 5, 5, 5, 5, 6]
