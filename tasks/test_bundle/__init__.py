"""Prove that the packed model is still the trained one."""
