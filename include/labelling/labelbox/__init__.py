"""Labelbox: its data rows."""
