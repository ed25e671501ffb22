from __future__ import annotations

from xml.etree import ElementTree

from include import pages


def test_text_cannot_become_markup() -> None:
    page = pages.page("<b>", pages.paragraph("<i>"), pages.heading("a & b"), pages.table(["<u>"], [["<s>"]])).decode()
    for tag in ("<b>", "<i>", "<u>", "<s>"):
        assert tag not in page
    assert "a &amp; b" in page


def test_page_needs_nothing_from_elsewhere() -> None:
    page = pages.page("t", pages.unit_chart({"a": [(0, 1), (1, 0)]}, {"a": "#000"}, "x", "y")).decode()
    assert "://" not in page
    assert "default-src 'none'" in page
    assert "<script" not in page


def test_chart_puts_the_corners_of_the_unit_square_in_its_corners() -> None:
    svg = pages.unit_chart({"a": [(0, 1), (1, 0)]}, {"a": "#123456"}, "x", "y")
    line = next(part for part in svg.split("<polyline ") if "#123456" in part)
    points = line.split("'")[1].split()
    assert points == ["56.0,14.0", "376.0,334.0"]
    assert "unknown" not in svg
    ElementTree.fromstring("<x>" + pages.table(["a", "b"], [["1", "2"]]) + "</x>")  # well formed
