"""The test suites; `tests.harness` holds what they share."""
