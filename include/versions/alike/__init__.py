"""Pictures that look the same in different splits."""
