"""Tell labels that may teach from labels that break a rule, and say which rule, to whom."""
