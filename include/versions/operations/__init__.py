"""What can be made of dataset versions: one module per operation, with its parameters and `apply`."""
