"""Conversations between gpg-agent and the daemon, kept as text and replayed in memory."""
