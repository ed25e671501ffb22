"""Zillin: its images."""
