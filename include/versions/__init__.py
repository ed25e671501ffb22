"""Dataset versions: how they are split, listed and found."""
