"""Shared by the suites: tokens, a GnuPG home, a pinentry, an Assuan client."""
