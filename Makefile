# Each target works by itself on a machine with Python >= 3.10, pip and make.
PYTHON ?= python3
VENV   ?= .venv
BIN    := $(VENV)/bin
PIP    := $(BIN)/python -m pip install --quiet --disable-pip-version-check

.PHONY: demo shop test test-full test-engines browser redis check lint types bench bench-peers soak kill mutants lock clean generate

demo: $(VENV)/.demo
	$(BIN)/segops demo

# A small shop against a local SegOps, whose page shows its events. FRAMEWORK is fastapi, flask or django.
FRAMEWORK ?= fastapi
PORT ?= 8010
shop: $(VENV)/.dev
	PYTHONPATH=examples/shop $(BIN)/segops dev run -- $(BIN)/python -m shop $(FRAMEWORK) --port $(PORT)

# All tests, in the steps that tests/run.py describes, and one summary.
test: $(VENV)/.dev browser redis
	$(BIN)/python -m tests.run

# The same and what takes longer: two minutes of random faults, 300 kills, more web servers, Celery, the mutants, and every
# other Python that is installed.
test-full: $(VENV)/.full browser redis
	$(BIN)/python -m tests.run --full

# The tests with Spark and Dask. Spark needs Java 17 or newer; without it those tests are skipped.
test-engines: $(VENV)/.engines
	$(BIN)/python -m pytest tests/engines

# Chromium, for the tests of the page of `segops dev`. Without it they are skipped, unless SEGOPS_TEST_BROWSER=required.
browser:
	@for name in chromium chromium-browser google-chrome chrome; do command -v $$name >/dev/null && exit 0; done; \
	{ [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null && apt-get update -qq && \
	  DEBIAN_FRONTEND=noninteractive apt-get install -qq --no-install-recommends chromium >/dev/null; } || \
	  echo "Chromium is missing and could not be installed: the tests of the page are skipped." >&2

# A Redis for the tests of brokers and of `segops forward`. Without it they are skipped.
redis:
	@for name in redis-server valkey-server; do command -v $$name >/dev/null && exit 0; done; \
	{ [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null && apt-get update -qq && \
	  DEBIAN_FRONTEND=noninteractive apt-get install -qq --no-install-recommends redis-server >/dev/null; } || \
	  echo "redis-server is missing and could not be installed: the tests of brokers are skipped." >&2

check: lint types test

lint: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/.dev
	$(BIN)/mypy
	$(BIN)/pyright --pythonpath $(BIN)/python

bench: $(VENV)/.dev
	$(BIN)/python -m pytest bench --quiet --benchmark-only --benchmark-quiet

# This SDK beside others, which it installs from the package index; writes bench/RESULTS.md in about five minutes.
bench-peers: $(VENV)/.dev
	$(BIN)/python -m bench.peers

# Ten minutes of random faults; 30 seconds of them are part of `make test`.
soak: $(VENV)/.dev
	SEGOPS_SOAK_SECONDS=600 $(BIN)/python -m pytest tests/soak

# Kills 1,000 processes while they store events, 1,000 while they send a file, and 1,000 forwarders; some of these are part
# of `make test`.
kill: $(VENV)/.dev redis
	SEGOPS_KILL_ROUNDS=1000 $(BIN)/python -m pytest tests/spool/test_sharing.py tests/cli/test_send_checkpoints.py \
	  tests/forward/test_kills.py -k "by_a_kill or kills_lose"

# Thirteen bugs, planted one at a time in a copy of the project: the tests must notice each.
mutants: $(VENV)/.dev
	$(BIN)/python -m tests.mutants.run

# What follows from the admin resources and the commands: the registry, the asyncio types, and the lists in docs/.
generate: $(VENV)/.dev
	$(BIN)/python -m tools.admin_codegen
	$(BIN)/python -m tools.cli_reference

# Updates the pinned requirements; needs uv. The files contain no index address.
lock:
	uv pip compile bench/peers/requirements.in --universal --python-version 3.10 --generate-hashes \
	  --no-header --no-annotate --no-strip-extras --output-file bench/peers/requirements.txt
	uv pip compile pyproject.toml --group dev --universal --python-version 3.10 --generate-hashes \
	  --no-header --no-annotate --no-strip-extras --upgrade --output-file requirements/dev.txt
	for group in full engines; do uv pip compile pyproject.toml --group $$group --constraint requirements/dev.txt \
	  --universal --python-version 3.10 --generate-hashes --no-header --no-annotate --no-strip-extras --upgrade \
	  --output-file requirements/$$group.txt; done

clean:
	rm -rf $(VENV) build dist .coverage* htmlcov

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)

# Compiled when the SDK is installed.
NATIVE := hatch_build.py segops/delivery/_speedups.c

$(VENV)/.demo: pyproject.toml $(NATIVE) | $(VENV)/bin/python
	$(PIP) --editable .
	@touch $@

$(VENV)/.dev: requirements/dev.txt pyproject.toml $(NATIVE) | $(VENV)/bin/python
	$(PIP) --require-hashes --requirement requirements/dev.txt
	$(PIP) --no-deps --no-build-isolation --editable .
	@touch $@ $(VENV)/.demo

$(VENV)/.full: requirements/full.txt $(VENV)/.dev
	$(PIP) --require-hashes --requirement requirements/full.txt
	@touch $@

$(VENV)/.engines: requirements/engines.txt $(VENV)/.dev
	$(PIP) --require-hashes --requirement requirements/engines.txt
	@touch $@
