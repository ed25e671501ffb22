"""How a version's boxes and pictures are distributed, as bar charts."""

from __future__ import annotations

import json
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd

from include.pages import bar_chart

BARS = 12  # of names
ATTRIBUTES = 4  # as many of the images' attributes are shown
Values = Any  # a column of numbers
SIDES_PX = (0, 8, 16, 32, 64, 96, 128, 256, 512, 1024)
RATIOS = (0, 1 / 4, 1 / 3, 1 / 2, 2 / 3, 3 / 2, 2, 3, 4)
RATIO_NAMES = ("under 1:4", "1:4 to 1:3", "1:3 to 1:2", "1:2 to 2:3", "2:3 to 3:2", "3:2 to 2:1", "2:1 to 3:1", "3:1 to 4:1",
               "4:1 and more")  # fmt: skip
PER_IMAGE = (0, 1, 2, 3, 5, 10, 20, 50, 100, 200, 500)


def box_charts(images: pd.DataFrame, annotations: pd.DataFrame, classes: Sequence[str]) -> list[str]:
    """Classes, sizes, shapes, and how many an image has."""
    width, height = (annotations[name].to_numpy(float) for name in ("width_px", "height_px"))
    per_image = images["md5"].map(annotations["md5"].value_counts()).fillna(0).to_numpy(int)
    by_class = annotations["class_name"].value_counts().reindex(list(classes), fill_value=0)
    return [
        names_chart(by_class, "Boxes by class"),
        bar_chart(trimmed(binned(np.sqrt(width * height), SIDES_PX, ranges(SIDES_PX))), "Size: √(width × height), px"),
        bar_chart(binned(width / np.maximum(height, 1e-9), RATIOS, RATIO_NAMES), "Shape: width to height"),
        bar_chart(trimmed(binned(per_image, PER_IMAGE, ranges(PER_IMAGE, whole=True))), "Boxes per image: images"),
    ]


def place_charts(images: pd.DataFrame) -> list[str]:
    """Sources, groups, and what the images' attributes say."""
    charts = [names_chart(images["source"].value_counts(), "Images by source")]
    if (images["group"] != images["md5"]).any():
        charts.append(names_chart(images["group"].value_counts(), "Images by group"))
    said = [json.loads(text) for text in images["attributes"] if isinstance(text, str)]
    for name in sorted({key for one in said for key in one} - {"made_from"})[:ATTRIBUTES]:
        charts.append(names_chart(pd.Series([str(one[name]) for one in said if name in one]).value_counts(), f"Images by {name}"))
    return charts


def label_charts(annotations: pd.DataFrame) -> list[str]:
    """Who drew, who reviewed, in which jobs; nothing where no label says."""
    titles = {"annotator": "Boxes by annotator", "reviewer": "Boxes by reviewer", "job": "Boxes by labelling job"}
    said = {column: title for column, title in titles.items() if annotations[column].notna().any()}
    return [names_chart(annotations[column].fillna("unknown").value_counts(), title) for column, title in said.items()]


def names_chart(counts: pd.Series[Any], title: str) -> str:
    """A bar per name, most frequent first, ties by name."""
    order = sorted(counts.items(), key=lambda item: (-item[1], str(item[0])))
    shown = title if len(order) <= BARS else f"{title}, the first {BARS} of {len(order):,}"
    return bar_chart({str(name): float(count) for name, count in order[:BARS]}, shown)


def binned(values: Values, edges: Sequence[float], names: Sequence[str]) -> dict[str, float]:
    """How many values lie in each bin: from its edge to below the next; the last is open."""
    found = np.bincount(np.clip(np.searchsorted(edges, values, "right") - 1, 0, None), minlength=len(edges))
    return dict(zip(names, found.astype(float).tolist(), strict=True))


def ranges(edges: Sequence[int], whole: bool = False) -> list[str]:
    """Names of bins: `8 to 16`; of whole numbers `5 to 9`."""
    names = []
    for low, high in pairwise(edges):
        names.append(f"{low}" if whole and high == low + 1 else f"{low} to {high - 1 if whole else high}")
    return [*names, f"{edges[-1]} and more"]


def trimmed(bars: dict[str, float]) -> dict[str, float]:
    """Without the empty bins at both ends."""
    filled = [place for place, count in enumerate(bars.values()) if count]
    return dict(list(bars.items())[filled[0] : filled[-1] + 1]) if filled else {}
