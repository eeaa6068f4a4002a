"""What changes a token."""
