"""Tell the labelling service which of its labels a champion holds for wrong."""
