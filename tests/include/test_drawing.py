from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from typing import Any

import pytest
from PIL import Image

from include import drawing
from include.drawing import NotDrawable, Outline, detail, window_of

PINK = "#ff2d95"
NAN, INFINITY = float("nan"), float("inf")


def file(width_px: int = 400, height_px: int = 300, kind: str = "PNG", colour: str = "#406040") -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (width_px, height_px), colour).save(out, kind)
    return out.getvalue()


def opened(source: str) -> Image.Image:
    head, _, data = source.partition(",")
    assert head == "data:image/jpeg;base64"
    return Image.open(io.BytesIO(base64.b64decode(data))).convert("RGB")


def is_pink(picture: Image.Image, x: float, y: float) -> bool:
    """Within two pixels: lines are thin, and JPEG blurs them."""
    near = [picture.getpixel((round(x) + dx, round(y) + dy)) for dx in (-2, -1, 0, 1, 2) for dy in (-2, -1, 0, 1, 2)]
    return any(red > 190 and green < 110 and blue > 90 for red, green, blue in near)  # type: ignore[misc]


@pytest.mark.parametrize(
    ("boxes", "window"),
    [
        ([], (0, 0, 400, 300)),
        ([(100, 50, 200, 200)], (0, 0, 400, 300)),
        ([(195, 145, 10, 10)], (162.5, 112.5, 237.5, 187.5)),  # an eighth of the shorter side on every side of its middle
        ([(0, 0, 10, 10)], (0, 0, 75, 75)),  # moved into the picture
        ([(195, 145, 10, 10), (235, 145, 20, 40)], (165, 105, 285, 225)),  # 60 wide: as much on every side of their middle
        ([(390, 10, 60, 20)], (0, 0, 462, 300)),  # 12: 3% of the longer side
        ([(-1e9, 10, 20, 20)], (-212, 0, 400, 300)),  # half a picture away, at most
        ([(50, 50, -40, 20), (NAN, 1, 2, 3), (1, 2, INFINITY, 3)], (0, 20, 80, 100)),
    ],
    ids=["none", "large", "small", "in a corner", "two", "outside", "far away", "awkward numbers"],
)  # fmt: skip
def test_window_shows_what_is_meant(boxes: Sequence[Sequence[float]], window: tuple[float, ...]) -> None:
    assert window_of(boxes, 400, 300) == pytest.approx(window)


def test_box_outside_its_picture_is_seen_beside_it() -> None:
    picture = opened(detail(file(), [Outline((380, 100, 60, 100), PINK)]))
    scale = picture.width / 452  # 440 and a margin of 12
    assert is_pink(picture, 440 * scale, 150 * scale)
    assert picture.getpixel((round(446 * scale), 20))[0] < 80  # type: ignore[index]  # the dark around the picture


def test_box_of_no_size_has_a_ring() -> None:
    picture = opened(detail(file(), [Outline((200, 150, 0, 0), PINK)]))
    middle = picture.width / 2
    assert is_pink(picture, middle - drawing.RING_PX, middle)
    assert is_pink(picture, middle, middle + drawing.RING_PX)


@pytest.mark.parametrize("box", [(NAN, 1, 2, 3), (1e308, 1e308, 1e308, 1e308), (-1e18, 0, 2e18, 9), (9, 9, -5, -5)],
                         ids=["not a number", "overflow", "wider than all", "drawn backwards"])  # fmt: skip
def test_any_box_can_be_asked_for(box: Any) -> None:
    for is_dashed in (False, True):
        assert opened(detail(file(), [Outline(box, PINK, is_dashed)], [Outline(box, "#ffffff")])).width > 0


@pytest.mark.parametrize(
    ("data", "why"),
    [(b"", "cannot be decoded"), (file()[:60], "cannot be decoded"), (b"%!PS-Adobe-3.0 EPSF-3.0\n", "cannot be decoded")],
    ids=["empty", "truncated", "a program in PostScript"],
)
def test_what_is_no_picture_says_so(data: bytes, why: str) -> None:
    with pytest.raises(NotDrawable, match=why):
        detail(data, [])


def test_large_picture_is_not_decoded_unless_it_can_be_made_small_on_the_way(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(drawing, "MOST_MEGAPIXELS", 0.02)
    with pytest.raises(NotDrawable, match="0 megapixels: too large to be drawn here"):
        detail(file(400, 300), [])
    assert opened(detail(file(400, 300, "JPEG"), [], longer_side_px=100)).size == (100, 75)


def test_large_picture_keeps_its_boxes_in_place_when_it_is_decoded_smaller() -> None:
    picture = opened(detail(file(4000, 3000, "JPEG"), [Outline((1000, 1000, 2000, 1000), PINK)], longer_side_px=400))
    assert picture.size == (400, 300)
    assert is_pink(picture, 100, 150)
    assert is_pink(picture, 300, 150)
    assert not is_pink(picture, 200, 150)
