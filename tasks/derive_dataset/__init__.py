"""Make a new dataset version from others, or from files in a bucket."""
