# Every target makes what it needs: a bare clone, python3 >= 3.11 and make are enough.
.DEFAULT_GOAL := help
SHELL := /bin/bash
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

.PHONY: help demo test lint bench fuzz audit docs clean

help: ## what can be made here
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## /  make \1\t/' | expand -t 16

$(READY): requirements.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo "ringscope needs Python 3.11 or newer; try: make PYTHON=python3.12 $(MAKECMDGOALS)"; exit 1; }
	@echo "setting up $(VENV) (once, about a minute)"
	@if command -v uv >/dev/null 2>&1 && uv venv -q --allow-existing --python $(PYTHON) $(VENV) \
	  && uv pip install -q --python $(BIN)/python --require-hashes -r requirements.txt \
	  && uv pip install -q --python $(BIN)/python --no-deps --no-build-isolation -e .; then :; else \
	  $(PYTHON) -m venv $(VENV) \
	  && $(BIN)/python -m pip install -qq --disable-pip-version-check --require-hashes -r requirements.txt \
	  && $(BIN)/python -m pip install -qq --disable-pip-version-check --no-deps --no-build-isolation -e .; fi
	@$(BIN)/python -m compileall -q src  # also where PYTHONDONTWRITEBYTECODE is set: start-up halves
	@touch $@

demo: $(READY) ## the main job, on real input when ../shared is there
	@$(BIN)/python demo.py

test: $(READY) ## the whole test suite
	@$(BIN)/python -m pytest -n auto $(PYTEST)

lint: $(READY) ## ruff and strict types
	@$(BIN)/ruff check . && $(BIN)/ruff format --check . && $(BIN)/mypy

bench: $(READY) ## figures beside a peer, measured now
	@$(BIN)/python -m bench

fuzz: $(READY) ## a minute of fuzzing, every reader in turn; python -m fuzz --hours 1 before a release
	@PYTHONPATH=src $(BIN)/python -m fuzz --seconds 60

docs: $(READY) ## the book, into docs/_build/html; a broken link fails
	@$(BIN)/python -m sphinx -W --keep-going -q -b html docs docs/_build/html

audit: $(READY) ## known vulnerabilities of what is pinned; fails where PyPI does not tell
	@$(BIN)/python scripts/audit.py

clean: ## forget the environment and every cache
	rm -rf $(VENV) .fuzz build dist docs/_build docs/reference/code .pytest_cache .mypy_cache .ruff_cache .hypothesis
