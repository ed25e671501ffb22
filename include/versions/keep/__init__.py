"""Versions stay whole: what verifies them, what marks damage; and what nothing needs is deleted."""
