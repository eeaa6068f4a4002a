"""New keys on a token."""
