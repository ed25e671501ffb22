"""The `visionloop` command: what people do from a terminal. Thin over include/, one file per noun."""
