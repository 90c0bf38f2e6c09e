# Each target is enough by itself on a machine with Python >= 3.10, pip and make.
PYTHON ?= python3
VENV   ?= .venv
BIN    := $(VENV)/bin
PIP    := $(BIN)/python -m pip install --quiet --disable-pip-version-check

# Tests of exits, signals and other people's servers: they need the machine for themselves. The others mostly wait.
ALONE  := tests/lifecycle tests/network tests/soak tests/delivery/test_exit.py

# Tests that are run once more without what is compiled.
PURE   := tests/core tests/delivery --ignore=tests/delivery/test_exit.py

# Four processes, as most tests wait more than they work. What fails while they share the machine runs once more, by
# itself: a failure then is one. Both are printed.
PYTEST := $(BIN)/coverage run -m pytest
SHARED := --numprocesses 4 --dist loadfile
AGAIN  := --last-failed --last-failed-no-failures none

.PHONY: demo test browser check lint types bench bench-peers soak kill mutants lock clean generate

demo: $(VENV)/.demo
	$(BIN)/segops demo

test: $(VENV)/.dev browser
	$(BIN)/coverage erase
	$(PYTEST) $(SHARED) $(ALONE:%=--ignore=%) || $(PYTEST) $(AGAIN)
	SEGOPS_TEST_QUEUE=pure $(PYTEST) $(SHARED) $(PURE) || SEGOPS_TEST_QUEUE=pure $(PYTEST) $(AGAIN)
	$(PYTEST) $(ALONE)
	$(BIN)/coverage combine --quiet
	$(BIN)/coverage report

# The page of `segops dev` is tested in Chromium. Where it is missing and cannot be installed, these tests are skipped,
# unless SEGOPS_TEST_BROWSER=required.
browser:
	@for name in chromium chromium-browser google-chrome chrome; do command -v $$name >/dev/null && exit 0; done; \
	{ [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null && apt-get update -qq && \
	  DEBIAN_FRONTEND=noninteractive apt-get install -qq --no-install-recommends chromium >/dev/null; } || \
	  echo "No Chromium, and none could be installed: the tests of the page are skipped." >&2

check: lint types test

lint: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/.dev
	$(BIN)/mypy
	$(BIN)/pyright --pythonpath $(BIN)/python

bench: $(VENV)/.dev
	$(BIN)/python -m pytest bench --quiet --benchmark-only --benchmark-quiet

# Ours beside other SDKs, which it takes from the package index: writes bench/RESULTS.md in some five minutes.
bench-peers: $(VENV)/.dev
	$(BIN)/python -m bench.peers

# Ten minutes of random faults; 30 seconds of them are part of `make test`.
soak: $(VENV)/.dev
	SEGOPS_SOAK_SECONDS=600 $(BIN)/python -m pytest tests/soak

# Children that are killed while they store events: 1,000 of them; 50 are part of `make test`.
kill: $(VENV)/.dev
	SEGOPS_KILL_ROUNDS=1000 $(BIN)/python -m pytest tests/spool/test_sharing.py -k by_a_kill

# Thirteen bugs, planted one at a time in a copy of the project: the tests must notice each.
mutants: $(VENV)/.dev
	$(BIN)/python -m tests.mutants.run

# What follows from the admin resources and the commands: the registry, the asyncio types, and the lists in docs/.
generate: $(VENV)/.dev
	$(BIN)/python -m tools.admin_codegen
	$(BIN)/python -m tools.cli_reference

# Writes the pins anew; needs uv. No index address gets into the files.
lock:
	uv pip compile bench/peers/requirements.in --universal --python-version 3.10 --generate-hashes \
	  --no-header --no-annotate --no-strip-extras --output-file bench/peers/requirements.txt
	uv pip compile pyproject.toml --group dev --universal --python-version 3.10 --generate-hashes \
	  --no-header --no-annotate --no-strip-extras --upgrade --output-file requirements/dev.txt

clean:
	rm -rf $(VENV) build dist .coverage* htmlcov

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)

# What is compiled when the SDK is installed.
NATIVE := hatch_build.py segops/delivery/_speedups.c

$(VENV)/.demo: pyproject.toml $(NATIVE) | $(VENV)/bin/python
	$(PIP) --editable .
	@touch $@

$(VENV)/.dev: requirements/dev.txt pyproject.toml $(NATIVE) | $(VENV)/bin/python
	$(PIP) --require-hashes --requirement requirements/dev.txt
	$(PIP) --no-deps --no-build-isolation --editable .
	@touch $@ $(VENV)/.demo
