"""Asking whether labels are as they should be, and what is done about the answers."""
