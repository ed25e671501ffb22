from __future__ import annotations

import hashlib
import io
import logging
import threading
import time

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from include.artifacts.tables import IMAGES
from include.versions import progress
from include.versions.alike.fingerprints import looks
from tasks.validate_annotations.pictures import Memory, Picture, as_seen, look, look_at_all
from tests.deliveries import picture


def encoded(kind: str, mode: str = "RGB", size: tuple[int, int] = (64, 48), **how: object) -> bytes:
    out = io.BytesIO()
    Image.effect_noise(size, 80).convert(mode).save(out, kind, **how)
    return out.getvalue()


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "TIFF", "BMP", "WEBP", "GIF", "JPEG2000", "PPM"])
def test_whole_picture_has_a_size_and_no_problem(kind: str) -> None:
    seen = look(encoded(kind), 1)
    assert (seen.width_px, seen.height_px, seen.problem) == (64, 48, None)


@pytest.mark.parametrize("mode", ["L", "P", "RGBA", "I;16", "1"])
def test_any_pixel_format_is_a_picture(mode: str) -> None:
    seen = look(encoded("PNG", mode), 1)
    assert (seen.problem, seen.mode) == (None, mode)


@pytest.mark.parametrize("how", [{}, {"progressive": True}, {"subsampling": 0}, {"restart_marker_blocks": 4}],
                         ids=["baseline", "progressive", "no subsampling", "restarts"])  # fmt: skip
def test_jpeg_cut_anywhere_is_as_truncated_as_pillow_finds_it_at_full_size(how: dict[str, object]) -> None:
    data = encoded("JPEG", size=(800, 600), **how)
    for length in range(1000, len(data) + 1, len(data) // 40):
        try:
            with Image.open(io.BytesIO(data[:length])) as image:
                image.load()
            is_whole = True
        except OSError:
            is_whole = False
        assert (look(data[:length], 1).problem is None) == is_whole, length
    assert look(data, 1).problem is None


def test_turned_photo_has_the_size_that_people_see() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    seen = look(encoded("JPEG", exif=exif), 1)
    assert (seen.width_px, seen.height_px, seen.turned) == (48, 64, True)


@pytest.mark.parametrize(("grey", "brightness"), [(0, 0.0), (51, 0.2), (255, 1.0)])
@pytest.mark.parametrize("mode", ["L", "RGB", "CMYK"])
def test_brightness_is_the_mean_luma(mode: str, grey: int, brightness: float) -> None:
    out = io.BytesIO()
    Image.new("L", (640, 480), grey).convert("RGB").convert(mode).save(out, "TIFF")
    assert look(out.getvalue(), 1).brightness == pytest.approx(brightness, abs=0.002)


def test_brightness_of_colours_weighs_green_most() -> None:
    image = Image.new("RGB", (100, 100), (0, 255, 0))
    image.paste((255, 0, 0), (0, 0, 50, 100))
    out = io.BytesIO()
    image.save(out, "PNG")
    assert look(out.getvalue(), 1).brightness == pytest.approx((0.587 + 0.299) / 2, abs=0.001)


@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
def test_hash_is_the_one_that_versions_keep(kind: str) -> None:
    data = encoded(kind, size=(900, 700))
    seen = look(data, 1)
    assert (seen.phash, seen.brightness) == looks(data)


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


@given(st.binary(max_size=200) | st.integers(0, 100).flatmap(lambda cut: st.just(picture(1)[:cut])))
def test_any_bytes_have_an_answer(data: bytes) -> None:
    assert look(data, 1).problem is not None or data[:8] == picture(1)[:8]


def test_many_rows_of_one_picture_are_one_decoding_and_a_line_says_how_far(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    files = {hashlib.md5(data).hexdigest(): data for data in map(picture, range(20))}
    read: list[str] = []
    monkeypatch.setattr(progress, "LOG_EVERY_S", 0)
    with caplog.at_level(logging.INFO):
        seen = look_at_all(lambda md5: read.append(md5) or files[md5], [*files, None, *files], 1, logging.getLogger("test"))
    assert sorted(read) == sorted(files)
    assert {one.size for one in seen.values()} == {"64×48"}
    assert seen.keys() == files.keys()
    assert "pictures checked: 20 of 20" in caplog.messages[-1]
    assert "eta 0 min" in caplog.messages[-1]


def test_a_file_that_cannot_be_fetched_ends_the_step() -> None:
    def read(md5: str) -> bytes:
        raise ConnectionError(md5)

    with pytest.raises(ConnectionError, match="ab"):
        look_at_all(read, ["ab"], 1, logging.getLogger("test"))


def test_pictures_that_would_not_fit_together_wait_for_each_other_and_a_huge_one_is_alone() -> None:
    memory, together, most = Memory(100), 0, 0
    lock = threading.Lock()

    def decode(pixels: int) -> None:
        nonlocal together, most
        with memory.holding(pixels):
            with lock:
                together += pixels
                most = max(most, together)
            time.sleep(0.01)
            with lock:
                together -= pixels

    pool = [threading.Thread(target=decode, args=(pixels,)) for pixels in (60, 30, 60, 10, 60, 40)]
    for one in pool:
        one.start()
    for one in pool:
        one.join(10)
    assert 60 <= most <= 100
    alone = threading.Thread(target=decode, args=(500,))
    alone.start()
    alone.join(10)
    assert not alone.is_alive()


@pytest.mark.parametrize("columns", [IMAGES.names, IMAGES.names[:-2]], ids=["now", "before there were hashes"])
def test_what_a_picture_looks_like_travels_with_its_row(columns: list[str]) -> None:
    table = pa.Table.from_pylist([{"image_key": "a", "md5": "00"}, {"image_key": "b", "md5": "00"}], IMAGES).select(columns)
    made = as_seen(table, {"00": Picture(64, 48, None, phash="f" * 16, brightness=np.float64(0.5))})
    assert made.schema.equals(IMAGES)
    assert made.select(["phash", "brightness"]).to_pylist() == [{"phash": "f" * 16, "brightness": 0.5}] * 2
