"""Labels that come as files: folders and archives in a prefix of the store."""
