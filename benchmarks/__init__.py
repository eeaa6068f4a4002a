"""scd beside gnupg-pkcs11-scd: `python -m benchmarks`, explained in docs/benchmarks.md."""
