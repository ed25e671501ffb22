"""SuperAnnotate: its items."""
