"""Every check there is, by the rule's name: the modules that are imported here fill CHECKS."""

from include.checks import annotation_checks, batch_checks, image_checks, mask_checks, polygon_checks
from include.checks.checks import CHECKS

__all__ = ["CHECKS", "annotation_checks", "batch_checks", "image_checks", "mask_checks", "polygon_checks"]
