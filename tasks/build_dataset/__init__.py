"""Make the next immutable version of a dataset from what was checked since the last one."""
