"""`visionloop backup` and `restore`: the databases, and what the store holds besides content. docs/backup.md"""
