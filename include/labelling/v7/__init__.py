"""V7 Darwin: its items."""
