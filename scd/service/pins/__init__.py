"""Asking for PINs, keeping logins, changing PINs."""
