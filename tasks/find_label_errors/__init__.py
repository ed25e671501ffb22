"""Rank the labels that are likely wrong, by what the champion sees in the same pictures."""
