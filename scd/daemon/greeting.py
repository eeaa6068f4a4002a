"""The first line a client reads; gpg-agent waits for it under a lock."""

GREETING = b"OK PKCS#11 smart-card server for GnuPG ready\n"
"""As gnupg-pkcs11-scd greets. Written out, since what makes lines would have to be imported before it can be sent."""
