"""Every PKCS#11 module that Debian offers without hardware, set up for the time of its tests (`make test-modules`)."""
