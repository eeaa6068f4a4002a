"""One file for each PKCS#11 module: how it is set up for tests and taken down again."""
