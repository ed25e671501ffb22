"""What a batch looked like to the checks, for people: an index, pictures of the worst, every finding, Great Expectations' own pages."""
