"""CVAT: its jobs."""
