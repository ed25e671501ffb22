"""Train a detector on a dataset version."""
