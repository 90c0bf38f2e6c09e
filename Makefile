# Each target is enough by itself on a machine with Python >= 3.10, pip and make.
PYTHON ?= python3
VENV   ?= .venv
BIN    := $(VENV)/bin
PIP    := $(BIN)/python -m pip install --quiet --disable-pip-version-check

.PHONY: demo test check lint types bench lock clean

demo: $(VENV)/.demo
	$(BIN)/segops demo

test: $(VENV)/.dev
	$(BIN)/coverage erase
	$(BIN)/coverage run -m pytest
	$(BIN)/coverage combine --quiet
	$(BIN)/coverage report

check: lint types test

lint: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/.dev
	$(BIN)/mypy

bench: $(VENV)/.dev
	$(BIN)/python -m pytest bench --quiet --benchmark-only --benchmark-quiet

# Writes the pins anew; needs uv. No index address gets into the file.
lock:
	uv pip compile pyproject.toml --group dev --universal --python-version 3.10 --generate-hashes \
	  --no-header --no-annotate --upgrade --output-file requirements/dev.txt

clean:
	rm -rf $(VENV) build dist .coverage* htmlcov

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/.demo: pyproject.toml | $(VENV)/bin/python
	$(PIP) --editable .
	@touch $@

$(VENV)/.dev: requirements/dev.txt pyproject.toml | $(VENV)/bin/python
	$(PIP) --require-hashes --requirement requirements/dev.txt
	$(PIP) --no-deps --no-build-isolation --editable .
	@touch $@ $(VENV)/.demo
