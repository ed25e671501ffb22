"""The default suite beside the same rules in DuckDB's SQL, written without it: of 60,000 boxes, each with the same verdict."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime
from pathlib import Path

import duckdb
import pytest

from benchmarks.check_annotations import config_of, make
from include.artifacts.tables import ANNOTATIONS, IMAGES
from include.checks.asking import Suites
from tasks.validate_annotations.stream import parts_of_file
from tasks.validate_annotations.validate import Divided, divide

BOXES = 60_000
BY_ITSELF = """
    SELECT a.*, split_part(annotation_key, '#', 1) AS delivery, split_part(annotation_key, '#', 2)::BIGINT AS place,
        x_px + a.width_px AS right_px, y_px + a.height_px AS bottom_px,
        CASE
            WHEN a.image_key IS NULL OR i.image_key IS NULL THEN 'known_image'
            WHEN shape NOT IN ('box', 'rotated_box', 'polygon', 'ellipse', 'mask') THEN 'shape_has_a_box'
            WHEN NOT isfinite(x_px + y_px + a.width_px + a.height_px) THEN 'box_finite'
            WHEN a.width_px <= 0 OR a.height_px <= 0 THEN 'box_positive_area'
            WHEN x_px < -0.5 OR y_px < -0.5 OR right_px > i.width_px + 0.5 OR bottom_px > i.height_px + 0.5
                THEN 'box_inside_image'
            WHEN a.width_px < 1 OR a.height_px < 1 THEN 'box_min_side'
            WHEN class_name NOT IN ('car', 'truck', 'bus', 'person', 'bicycle') THEN 'known_class'
            WHEN conflict IS NOT NULL THEN 'annotators_agree'
        END AS rule
    FROM annotations a LEFT JOIN (SELECT image_key, width_px, height_px FROM images) i ON a.image_key = i.image_key
"""
BESIDE_OTHERS = """
    SELECT annotation_key, CASE
        WHEN rule IS NOT NULL THEN rule
        WHEN EXISTS (
            SELECT 1 FROM sound s WHERE s.delivery = j.delivery AND s.annotation_id = j.annotation_id AND s.place < j.place
        ) THEN 'unique_annotation_id'
        WHEN EXISTS (
            SELECT 1 FROM pairs p WHERE p.later = j.annotation_key
        ) THEN 'no_duplicate_box' END AS verdict
    FROM judged j
"""
PAIRS = """
    SELECT later, earlier FROM (
        SELECT b.annotation_key AS later, a.annotation_key AS earlier,
            a.width_px * a.height_px + b.width_px * b.height_px AS areas,
            greatest(0, least(a.right_px, b.right_px) - greatest(a.x_px, b.x_px))
            * greatest(0, least(a.bottom_px, b.bottom_px) - greatest(a.y_px, b.y_px)) AS shared
        FROM sound a JOIN sound b ON a.image_key = b.image_key AND a.class_name = b.class_name AND a.place < b.place
    ) WHERE shared / (areas - shared) > 0.95
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("batch")
    make(made, BOXES)
    return made


@pytest.fixture(scope="module")
def ours(folder: Path) -> Divided:
    suites = Suites(folder / "gx", "b1", datetime(2026, 1, 1, tzinfo=UTC))
    (folder / "divided").mkdir()
    images = parts_of_file(folder / "images.parquet", IMAGES, rows=5_000)
    annotations = parts_of_file(folder / "annotations.parquet", ANNOTATIONS, rows=25_000)
    return divide(images, annotations, None, config_of(), suites.broken, folder / "divided")


@pytest.fixture(scope="module")
def theirs(folder: Path) -> duckdb.DuckDBPyConnection:
    sql = duckdb.connect()
    for name in ("images", "annotations"):
        sql.execute(f"CREATE TABLE {name} AS FROM read_parquet('{folder / name}.parquet')")
    sql.execute(f"CREATE TABLE judged AS {BY_ITSELF}")
    sql.execute("CREATE TABLE sound AS FROM judged WHERE rule IS NULL")
    sql.execute(f"CREATE TABLE pairs AS {PAIRS}")
    return sql


def test_every_box_has_the_verdict_that_sql_gives_it(ours: Divided, theirs: duckdb.DuckDBPyConnection) -> None:
    # no box of the pairs is in two of them: else "an earlier one that is kept" would be more than a join
    assert theirs.execute("SELECT count(*) FROM pairs WHERE earlier IN (SELECT later FROM pairs)").fetchone() == (0,)
    verdicts = dict(theirs.execute(BESIDE_OTHERS).fetchall())
    said = {row["key"]: row["rule"] for row in ours.table("findings").to_pylist() if row["action"] == "reject annotation"}
    accepted = dict.fromkeys(ours.table("annotations")["annotation_key"].to_pylist())
    assert said.keys().isdisjoint(accepted)
    assert verdicts == said | accepted
    assert min(Counter(said.values()).values()) > 50
    assert len(Counter(said.values())) == 10


def test_warnings_are_those_of_sql(ours: Divided, theirs: duckdb.DuckDBPyConnection) -> None:
    accepted = set(ours.table("annotations")["annotation_key"].to_pylist())
    long_thin = "greatest(width_px, height_px) > 20 * least(width_px, height_px)"
    wanted = {key for (key,) in theirs.execute(f"SELECT annotation_key FROM sound WHERE {long_thin}").fetchall()} & accepted
    said = {row["key"] for row in ours.table("findings").to_pylist() if row["rule"] == "box_max_aspect_ratio"}
    assert said == wanted
    assert len(wanted) > 50
