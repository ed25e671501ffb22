"""A step's door plate (what it reads, writes and needs) and its shell (flags, cards, logs, exit codes)."""
