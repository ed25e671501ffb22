"""Whoever is on call hears what failed, what it means for production, and where to look."""
