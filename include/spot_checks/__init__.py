"""Spot checks: a sample of accepted labels that a person looks at, what was said of it, and what that says of all labels."""
