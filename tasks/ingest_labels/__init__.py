"""Take in what a labelling team delivered: labels as they came, normalised, nothing dropped."""
