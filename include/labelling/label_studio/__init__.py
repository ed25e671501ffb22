"""Label Studio: its tasks."""
