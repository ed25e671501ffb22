"""Asking Great Expectations, and what is done about the answers: the rules by name, how each is checked, how it is asked."""
