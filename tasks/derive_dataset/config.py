"""What derive_dataset is told: include/versions/derive.py, because the `visionloop dataset` command is told the same."""

from include.versions.derive import DeriveDataset

__all__ = ["DeriveDataset"]
