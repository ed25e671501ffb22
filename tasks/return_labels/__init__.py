"""Give rejected labels back to the labelling service, each with rule and picture."""
