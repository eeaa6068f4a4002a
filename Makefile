# Two commands matter: make demo, make test. Before a push: make check test. Both set everything up first; see scripts/setup.

PYTEST = .venv/bin/python -m pytest
ARGS =

.PHONY: help setup demo test unit softhsm e2e check coverage lock bench test-gnupg24 test-modules clean

help:  ## show this list
	@sed -n 's/^\([a-z0-9-]*\):.*## /  \1\t/p' Makefile | expand -t 18

setup:  ## install what is missing: Debian packages, .venv (PYTHON=… chooses the Python)
	@scripts/setup

demo: setup  ## sign, decrypt, CMS and ssh with a SoftHSM token and a real gpg-agent
	@examples/quickstart.sh

test: setup  ## all tests, two processes (ARGS="-k name" to choose)
	@$(PYTEST) -n 2 --dist worksteal $(ARGS)

unit: setup  ## tests that need no token and no gpg-agent
	@$(PYTEST) $(wildcard tests/unit tests/floors tests/transcripts tests/regress) $(ARGS)

softhsm: setup  ## tests on SoftHSM tokens
	@$(PYTEST) $(wildcard tests/contract tests/softhsm tests/worker) $(ARGS)

e2e: setup  ## tests with gpg, gpgsm and ssh through a real gpg-agent
	@$(PYTEST) tests/e2e $(ARGS)

check: setup  ## ruff, its formatter, and mypy over scd and tests
	@.venv/bin/ruff check . && .venv/bin/ruff format --check . && .venv/bin/mypy

coverage: setup  ## what the tests run of scd, its workers included; fails below the floors in pyproject.toml
	@scripts/coverage $(ARGS)

lock: setup  ## requirements-dev.txt anew from pyproject.toml (ARGS=--upgrade for newer versions)
	@scripts/lock $(ARGS)

bench: setup  ## scd beside gnupg-pkcs11-scd on one token
	@.venv/bin/python -m benchmarks $(ARGS)

test-gnupg24:  ## the end-to-end tests with GnuPG 2.4 in a Debian 13 tree (root or sudo, debootstrap)
	@scripts/gnupg24/run $(ARGS)

test-modules: setup  ## every PKCS#11 module Debian has without hardware, in namespaces (root, sudo, or what can be done without)
	@scripts/modules/run $(ARGS)

clean:  ## remove .venv, the GnuPG 2.4 tree and caches
	@rm -rf --one-file-system .venv .build .mypy_cache .ruff_cache .pytest_cache .hypothesis .coverage*
	@find scd tests softhsm-fixtures benchmarks -name __pycache__ -prune -exec rm -rf {} + 2>/dev/null || true
