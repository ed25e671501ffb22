import logging

import pytest

from visionloop_airflow.log_lines import LogLines


@pytest.fixture
def lines():
    return LogLines(lambda level, text: lines_of.append((level, text)))


lines_of = []


@pytest.fixture(autouse=True)
def _empty():
    lines_of.clear()


def test_levels_are_read_and_times_are_not_doubled(lines):
    lines.feed(b"12:00:01 WARNING train_detector: slow disk\n")
    assert lines_of == [(logging.WARNING, "slow disk")]


def test_a_character_split_between_chunks_is_joined(lines):
    data = "caf\u00e9 \u2192 10 \u00b5m\n".encode()
    for byte in data:
        lines.feed(bytes([byte]))
    assert lines_of == [(logging.INFO, "caf\u00e9 \u2192 10 \u00b5m")]


def test_a_redrawn_bar_is_thinned(lines):
    for percent in range(100):
        lines.feed(f"{percent}%\r".encode())
    lines.feed(b"100%\n")
    assert [text for _, text in lines_of] == ["0%", "100%"]


def test_the_error_line_is_the_steps_own_not_what_came_after(lines):
    lines.feed(b"12:00:01 ERROR ingest_labels: batch-3/annotations.json: not JSON\n12:00:02 INFO x: cleaning up\n")
    assert lines.error_line == "batch-3/annotations.json: not JSON"


def test_the_error_line_of_a_bug_is_the_tracebacks_last(lines):
    lines.feed(b"12:00:01 INFO x: working\nTraceback (most recent call last):\n  File \"a.py\", line 1\nKeyError: 'bbox'")
    lines.close()
    assert lines.error_line == "KeyError: 'bbox'"
    assert lines_of[-1] == (logging.ERROR, "KeyError: 'bbox'")


def test_without_an_error_the_last_line_is_better_than_nothing(lines):
    lines.feed(b"12:00:01 INFO x: reading\nKilled\n")
    assert lines.error_line == "Killed"
