"""The rules about a batch as a whole: its classes and counts against the last batch, and who draws unlike the others.

A row of the frame is the batch, an annotator or a job.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from include.checks import parameters as told
from include.checks.checks import Bools, Row, check

Floats = NDArray[np.float64]
MEASURES = ("boxes_per_image", "log_area", "rejected_share")  # of a person or a job
TO_DEVIATIONS = 1.4826  # of the median distance from the median, where values are normal
LEAST_SPREAD = {"boxes_per_image": 0.05, "log_area": 0.05, "rejected_share": 0.01}  # below it a difference does not matter
HALF = 0.5  # counted for a class that a batch has not: else its logarithm has no end


def psi(counts: Mapping[str, int], parent: Mapping[str, int]) -> float:
    """Population stability index of two counts by class: Σ (p − q) ln(p / q) over the classes of either."""
    names = sorted(set(counts) | set(parent))
    now = np.array([counts.get(name, 0) or HALF for name in names], np.float64)
    then = np.array([parent.get(name, 0) or HALF for name in names], np.float64)
    now, then = now / now.sum(), then / then.sum()
    return float(((now - then) * np.log(now / then)).sum())


def _shares(row: Row) -> str:
    return f"PSI {row['psi']:.2f}: {row['shares']}"


@check("class_balance", "psi", "boxes_now", "boxes_then", got=_shares)
def class_balance(rows: pd.DataFrame, told: told.ClassBalance) -> Bools:
    is_enough = rows[["boxes_now", "boxes_then"]].min(axis=1) >= told.min_boxes
    return np.asarray(is_enough & (rows["psi"] > told.max_psi))


def _per_image(row: Row) -> str:
    return f"{row['per_image_now']:.2f} boxes per image; {row['per_image_then']:.2f} in {row['parent']}"


@check("counts_against_parent", "per_image_now", "per_image_then", "images_now", "images_then", got=_per_image)
def counts_against_parent(rows: pd.DataFrame, told: told.Counts) -> Bools:
    """A batch without any box is as far from one that has some as can be."""
    now, then = rows["per_image_now"], rows["per_image_then"]
    is_far = (now > told.max_ratio * then) | (then > told.max_ratio * now)
    return np.asarray(is_far & (rows[["images_now", "images_then"]].min(axis=1) >= told.min_images))


def robust_z(values: Floats, least_spread: float) -> Floats:
    """Distance of each from the median of all, in robust standard deviations; none counts as smaller than `least_spread`."""
    middle = np.median(values)
    spread = TO_DEVIATIONS * np.median(np.abs(values - middle))
    return np.asarray((values - middle) / max(spread, least_spread))


def _outliers(rows: pd.DataFrame, told: told.Outliers) -> Bools:
    """Those with enough boxes are compared with one another."""
    judged = np.flatnonzero(rows["boxes"] >= told.min_boxes)
    broken = np.zeros(len(rows), np.bool_)
    if len(judged) > told.min_others:
        for name in MEASURES:
            z = robust_z(rows[name].to_numpy(np.float64)[judged], LEAST_SPREAD[name])
            broken[judged] |= np.abs(z) > told.max_z
    return broken


def _draws(row: Row) -> str:
    return (
        f"{row['boxes']} boxes, {row['boxes_per_image']:.1f} per image of about {np.exp(row['log_area']):.0f} px², "
        f"{row['rejected_share']:.1%} rejected; usual: {row['usual']}"
    )


@check("annotator_outliers", "boxes", *MEASURES, got=_draws)
def annotator_outliers(rows: pd.DataFrame, told: told.Outliers) -> Bools:
    return _outliers(rows, told)


@check("job_outliers", "boxes", *MEASURES, got=_draws)
def job_outliers(rows: pd.DataFrame, told: told.Outliers) -> Bools:
    return _outliers(rows, told)
