"""Decide whether a challenger becomes champion, and make it so."""
