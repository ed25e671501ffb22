"""Versions into and out of the bucket: folders, formats, DVC."""
