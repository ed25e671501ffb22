"""Sama: its tasks."""
