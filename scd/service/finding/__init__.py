"""Which tokens and keys there are, what they are called, and which place each has."""
