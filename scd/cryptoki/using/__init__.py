"""Private keys in use, and the proof that each is the one that is meant."""
