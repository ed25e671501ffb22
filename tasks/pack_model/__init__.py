"""Pack a checkpoint into the archive that goes to production."""
