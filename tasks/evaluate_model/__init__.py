"""Score a bundle, and the champion beside it, on the same test pictures."""
