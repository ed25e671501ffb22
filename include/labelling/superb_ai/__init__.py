"""Superb AI: its labels."""
