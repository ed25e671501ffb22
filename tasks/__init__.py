"""What each step does: one folder per step, run as `python -m tasks.<step>`."""
