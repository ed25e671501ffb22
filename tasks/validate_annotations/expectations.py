"""Expectations that Great Expectations does not have: about boxes, over several columns of a row.

Column names must differ by more than case: Great Expectations compares them without it.
"""

from __future__ import annotations

import os

os.environ["GX_ANALYTICS_ENABLED"] = "false"  # read when great_expectations is imported

import pandas as pd
from great_expectations.execution_engine.pandas_execution_engine import PandasExecutionEngine
from great_expectations.expectations.expectation import MulticolumnMapExpectation
from great_expectations.expectations.metrics.map_metric_provider.multicolumn_condition_partial import (
    multicolumn_condition_partial,
)
from great_expectations.expectations.metrics.map_metric_provider.multicolumn_map_metric_provider import (
    MulticolumnMapMetricProvider,
)

DOMAIN = ("batch_id", "table", "column_list", "row_condition", "condition_parser", "ignore_row_if")


class BoxFinite(MulticolumnMapMetricProvider):
    """All four of x, y, width, height are numbers."""

    condition_metric_name = "box.finite"
    condition_domain_keys = DOMAIN

    @multicolumn_condition_partial(engine=PandasExecutionEngine)  # type: ignore[untyped-decorator]
    def _pandas(cls, column_list: pd.DataFrame, **_: object) -> pd.Series:
        return column_list.notna().all(axis=1)


class BoxPositiveArea(MulticolumnMapMetricProvider):
    """Width and height are above 0."""

    condition_metric_name = "box.positive_area"
    condition_domain_keys = DOMAIN

    @multicolumn_condition_partial(engine=PandasExecutionEngine)  # type: ignore[untyped-decorator]
    def _pandas(cls, column_list: pd.DataFrame, **_: object) -> pd.Series:
        return (column_list > 0).all(axis=1)


class BoxMinSide(MulticolumnMapMetricProvider):
    """Width and height are at least `min_side_px`."""

    condition_metric_name = "box.min_side"
    condition_domain_keys = DOMAIN
    condition_value_keys = ("min_side_px",)

    @multicolumn_condition_partial(engine=PandasExecutionEngine)  # type: ignore[untyped-decorator]
    def _pandas(cls, column_list: pd.DataFrame, min_side_px: float, **_: object) -> pd.Series:
        return (column_list >= min_side_px).all(axis=1)


class BoxInsideImage(MulticolumnMapMetricProvider):
    """0 ≤ x, y and x + width, y + height ≤ the image's size, give or take `edge_tolerance_px`."""

    condition_metric_name = "box.inside_image"
    condition_domain_keys = DOMAIN
    condition_value_keys = ("edge_tolerance_px",)

    @multicolumn_condition_partial(engine=PandasExecutionEngine)  # type: ignore[untyped-decorator]
    def _pandas(cls, column_list: pd.DataFrame, edge_tolerance_px: float, **_: object) -> pd.Series:
        x, y, width, height, image_width, image_height = (column_list[name] for name in column_list.columns)
        starts_inside = (x >= -edge_tolerance_px) & (y >= -edge_tolerance_px)
        return starts_inside & (x + width <= image_width + edge_tolerance_px) & (y + height <= image_height + edge_tolerance_px)


class ExpectBoxToBeFinite(MulticolumnMapExpectation):
    """Expect x, y, width, height of a box to be numbers."""

    map_metric = "box.finite"


class ExpectBoxToHavePositiveArea(MulticolumnMapExpectation):
    """Expect width and height of a box to be above 0."""

    map_metric = "box.positive_area"


class ExpectBoxSidesToBeAtLeast(MulticolumnMapExpectation):
    """Expect width and height of a box to be at least so many pixels."""

    map_metric = "box.min_side"
    success_keys = ("min_side_px", "mostly")
    min_side_px: float


class ExpectBoxToBeInsideImage(MulticolumnMapExpectation):
    """Expect a box to lie in its image."""

    map_metric = "box.inside_image"
    success_keys = ("edge_tolerance_px", "mostly")
    edge_tolerance_px: float
