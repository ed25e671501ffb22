"""Which families of detectors there are, and how one is built from its configuration."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import ValidationError

from include.definitions.problems import flatten
from include.detector.base import Detector
from include.detector.centerpoint import CenterPoint
from include.errors import ConfigError

FAMILIES = ("centerpoint", "rt_detr_v2")


def family_of(name: str) -> type[Detector]:
    """The class of a family; transformers takes seconds to import and is imported only where it is used."""
    if name == "rt_detr_v2":
        from include.detector.rt_detr import RtDetrV2

        return RtDetrV2
    return CenterPoint


def build_detector(config: Mapping[str, Any], classes: Sequence[str]) -> Detector:
    """An untrained detector, or with the pretrained weights that its configuration names. Raises ConfigError."""
    family = config.get("family")
    if family not in FAMILIES:
        raise ConfigError(f"detector family: got {family!r}, expected one of {', '.join(FAMILIES)}")
    try:
        return family_of(family)(config, classes)
    except ValidationError as error:
        raise ConfigError(flatten(error, f"the {family} detector's configuration")) from None
