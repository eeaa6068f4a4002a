"""scd: a smart-card daemon for GnuPG that works with every PKCS#11 module."""

__version__ = "0.1.0"
