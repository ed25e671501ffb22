from __future__ import annotations

import io

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from tasks.validate_annotations.pictures import look
from tests.deliveries import picture


def encoded(kind: str, mode: str = "RGB") -> bytes:
    out = io.BytesIO()
    Image.effect_noise((64, 48), 80).convert(mode).save(out, kind)
    return out.getvalue()


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "TIFF", "BMP", "WEBP", "GIF", "JPEG2000", "PPM"])
def test_whole_picture_has_a_size_and_no_problem(kind: str) -> None:
    seen = look(encoded(kind), 1)
    assert (seen.width_px, seen.height_px, seen.problem) == (64, 48, None)


@pytest.mark.parametrize("mode", ["L", "P", "RGBA", "I;16", "1"])
def test_any_pixel_format_is_a_picture(mode: str) -> None:
    assert look(encoded("PNG", mode), 1).problem is None


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "TIFF", "BMP", "WEBP", "JPEG2000", "PPM"])
def test_truncated_picture_is_a_problem(kind: str) -> None:
    assert look(encoded(kind)[:-400], 1).problem


def test_damage_in_the_middle_of_a_png_is_found() -> None:
    data = bytearray(encoded("PNG"))
    data[len(data) // 2] ^= 0xFF
    assert look(bytes(data), 1).problem


def test_picture_above_the_limit_is_not_decoded() -> None:
    assert look(picture(1, 2000, 1000), 1.5).problem == "2 megapixels; at most 1.5 are decoded"


def test_eps_is_not_opened_because_that_would_start_a_program() -> None:
    assert look(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n", 1).problem == "not an image: starts with b'%!PS-Ado'"


@settings(deadline=None)
@given(st.binary(max_size=200) | st.integers(0, 100).flatmap(lambda cut: st.just(picture(1)[:cut])))
def test_any_bytes_have_an_answer(data: bytes) -> None:
    assert look(data, 1).problem is not None or data[:8] == picture(1)[:8]
