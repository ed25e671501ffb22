"""Orientation, against Pillow's own ImageOps.exif_transpose: each way of the eight."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image, ImageOps

from include.formats.tree import size_in, size_of
from include.upright import in_rgb, upright, upright_size


def picture(mode: str = "RGB") -> Image.Image:
    """16 wide, 8 high, no two corners alike."""
    image = Image.linear_gradient("L").resize((16, 8)).convert(mode)
    image.paste(0, (0, 0, 8, 4))
    return image


def stored(kind: str, orientation: int | bytes | None, image: Image.Image | None = None) -> bytes:
    out, exif = io.BytesIO(), Image.Exif()
    if isinstance(orientation, int):
        exif[0x0112] = orientation
    (image or picture()).save(out, kind, exif=orientation if isinstance(orientation, bytes) else exif)
    return out.getvalue()


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF"])
def test_every_orientation_is_turned_as_viewers_do(kind: str, orientation: int) -> None:
    data = stored(kind, orientation)
    with Image.open(io.BytesIO(data)) as image, Image.open(io.BytesIO(data)) as again:
        size = upright_size(image)
        got, expected = upright(image), ImageOps.exif_transpose(again)
    assert size == got.size == expected.size == size_of(data) == size_in(io.BytesIO(data))
    assert size == ((8, 16) if orientation >= 5 else (16, 8))
    assert np.array_equal(np.asarray(got), np.asarray(expected))


@pytest.mark.parametrize("said", [0, 9, b"Exif\0\0garbage", b"", None], ids=["0", "9", "garbage", "empty", "none"])
def test_what_is_no_orientation_turns_nothing(said: int | bytes | None) -> None:
    with Image.open(io.BytesIO(stored("JPEG", said))) as image:
        assert upright_size(image) == upright(image).size == (16, 8)


def test_asking_the_size_of_a_png_decodes_nothing() -> None:
    data = stored("PNG", None, Image.effect_noise((2000, 1000), 90))
    assert size_of(data[:1000]) == (2000, 1000)


def test_sixteen_bits_are_spread_over_eight_and_not_cut_off() -> None:
    deep = Image.fromarray(np.array([[1000, 30000, 59000]], np.uint16))
    assert np.asarray(in_rgb(deep)).tolist() == [[[0] * 3, [127] * 3, [255] * 3]]


def test_one_deep_grey_all_over_is_black() -> None:
    assert in_rgb(Image.new("I;16", (2, 1), 700)).getpixel((1, 0)) == (0, 0, 0)
