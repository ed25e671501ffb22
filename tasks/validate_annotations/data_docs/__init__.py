"""What the checks made of a batch, for people: an index, pictures of the worst, every finding, Great Expectations' pages."""
