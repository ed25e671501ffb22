"""`visionloop dataset`: what people do with dataset versions from a terminal. One module per kind of work."""
