from datetime import UTC, datetime

import pendulum
import pytest
from airflow.serialization.decoders import decode_timetable
from airflow.serialization.encoders import encode_timetable
from airflow.timetables import trigger
from airflow.timetables.base import DataInterval, TimeRestriction

from visionloop_airflow import assets


@pytest.mark.parametrize(
    ("read_at", "last_run", "next_run"),
    [
        ("2026-01-05 01:59:59", None, "2026-01-05 02:00:00"),
        ("2026-01-05 02:00:01", None, "2026-01-05 02:00:00"),
        ("2026-01-05 02:01:30", None, "2026-01-05 02:00:00"),
        ("2026-01-05 02:03:00", None, "2026-01-06 02:00:00"),
        ("2026-01-05 02:03:00", "2026-01-04 02:00:00", "2026-01-05 02:00:00"),
        ("2026-01-05 02:03:00", "2026-01-05 02:00:00", "2026-01-06 02:00:00"),
    ],
    ids=["before", "read as the time came", "a busy machine", "switched on later", "it ran yesterday", "it ran today"],
)
def test_a_file_that_is_read_as_its_time_comes_does_not_put_the_run_off(monkeypatch, read_at, last_run, next_run):
    monkeypatch.setattr(trigger, "utcnow", lambda: datetime.fromisoformat(read_at).replace(tzinfo=UTC))
    last = DataInterval.exact(pendulum.parse(last_run)) if last_run else None
    as_the_scheduler_has_it = decode_timetable(encode_timetable(assets.at("0 2 * * *")))
    found = as_the_scheduler_has_it.next_dagrun_info(
        last_automated_data_interval=last, restriction=TimeRestriction(earliest=None, latest=None, catchup=False)
    )
    assert found.run_after == pendulum.parse(next_run)
