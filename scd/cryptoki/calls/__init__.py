"""The module's functions and their return values."""
