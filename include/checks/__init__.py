"""Asking whether labels are as they should be, of rows and of shares: the rules by name, how each is checked, how it is asked."""
