"""What clients want done with a key."""
