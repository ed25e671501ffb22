"""Is every byte that a dataset version names there, whole and unchanged?"""
