"""Draw a sample of a batch's accepted labels for a person to look at."""
