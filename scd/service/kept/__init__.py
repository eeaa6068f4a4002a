"""What is kept of a card: on the token, in the state file, in GnuPG's own files."""
