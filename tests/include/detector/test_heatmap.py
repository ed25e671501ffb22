from __future__ import annotations

import pytest
import torch

from include.detector import heatmap

BOXES = torch.tensor([[8.0, 12, 40, 36], [50, 50, 62, 60], [4, 40, 24, 62]])
LABELS = torch.tensor([0, 1, 0])


def test_decoding_what_was_encoded_gives_the_boxes_back() -> None:
    targets = heatmap.encode(BOXES, LABELS, classes=2, height=16, width=16)
    boxes, scores, labels = heatmap.decode(targets.heat[None], targets.boxes[None], most=5)
    assert scores[0].tolist() == [1, 1, 1, 0, 0]
    found = {(tuple(box), label) for box, label in zip(boxes[0, :3].tolist(), labels[0, :3].tolist(), strict=True)}
    assert found == {(tuple(box), label) for box, label in zip(BOXES.tolist(), LABELS.tolist(), strict=True)}


def test_centre_cell_is_exactly_one_and_its_neighbours_are_less() -> None:
    heat = heatmap.encode(BOXES[:1], LABELS[:1], classes=2, height=16, width=16).heat
    # the centre is at (24, 24) px: cell 6, 6
    assert heat[0, 6, 6] == 1
    assert 0 < heat[0, 6, 7] < 1
    assert heat[1].max() == 0


def test_every_box_weighs_the_same_however_large() -> None:
    targets = heatmap.encode(BOXES[:2], LABELS[:2], classes=2, height=16, width=16)
    assert targets.weight[:11, :11].sum() == pytest.approx(1)
    assert targets.weight[11:, 11:].sum() == pytest.approx(1)


def test_where_boxes_overlap_the_smaller_is_taught() -> None:
    boxes = torch.tensor([[0.0, 0, 64, 64], [28, 28, 40, 40]])
    targets = heatmap.encode(boxes, torch.tensor([0, 0]), classes=1, height=16, width=16)
    assert targets.boxes[:, 8, 8].tolist() == [28, 28, 40, 40]


def test_picture_without_boxes_teaches_that_nothing_is_there() -> None:
    targets = heatmap.encode(torch.zeros(0, 4), torch.zeros(0, dtype=torch.long), classes=2, height=4, width=4)
    assert targets.heat.sum() == 0
    assert targets.weight.sum() == 0


def test_centre_on_the_far_edge_falls_into_the_last_cell() -> None:
    targets = heatmap.encode(torch.tensor([[60.0, 60, 68, 68]]), torch.tensor([0]), classes=1, height=16, width=16)
    assert targets.heat[0, 15, 15] == 1


def test_distances_become_boxes_around_the_middle_of_each_cell() -> None:
    distances = torch.tensor([1.0, 2, 3, 4])[None, :, None, None].expand(1, 4, 2, 2)
    # cell (row 1, column 0) has its middle at x 2, y 6
    assert heatmap.boxes_from_distances(distances)[0, :, 1, 0].tolist() == [1, 4, 5, 10]


def test_focal_loss_by_hand() -> None:
    # one true centre at p = 0.5: -(0.5² · ln 0.5); one empty cell at p = 0.5: -(0.5² · ln 0.5); one centre
    loss = heatmap.focal_loss(torch.zeros(1, 1, 1, 2), torch.tensor([[[[1.0, 0.0]]]]))
    assert loss.item() == pytest.approx(2 * 0.25 * 0.693147, abs=1e-5)
