# Two commands do everything on a fresh machine: `make demo` and `make test`.
.DEFAULT_GOAL := help
SHELL := bash
PYTHON ?= $(shell for p in python3.11 python3.12 python3.13 python3; do command -v $$p >/dev/null 2>&1 && $$p -c 'import sys, venv, ensurepip; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' 2>/dev/null && command -v $$p && break; done)
VENV ?= .venv
BIN := $(VENV)/bin
MODEL ?= local:qwen2.5-coder-1.5b
DEMO_HOME ?= .evolvent/demo
export EVOLVENT_MODELS_DIR ?= $(CURDIR)/.evolvent/models
# Tests wait for sandboxes, engines and disks more than they compute; those of a file share what they start.
PYTEST_ARGS ?= --numprocesses 2 --dist loadfile

.PHONY: help setup models demo check format test test-fast bench docs clean

help: ## Show this list
	@awk 'BEGIN {FS = ":.*## "} /^[a-z-]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(VENV)/.ready ## Create the virtual environment and install Evolvent with its development tools

$(VENV)/.ready: pyproject.toml constraints.txt
	@test -n "$(PYTHON)" || { echo "error: no Python 3.11 to 3.13 with venv found. On Debian and Ubuntu: apt-get install python3 python3-venv" >&2; exit 3; }
	@$(PYTHON) -c 'import venv, ensurepip' || { echo "error: $(PYTHON) cannot make virtual environments: apt-get install python3-venv" >&2; exit 3; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade "pip>=25.1"
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable . --group dev
	@touch $@

models: setup ## Fetch the embedded models
	$(BIN)/evolvent models pull local:smollm2-135m
	$(BIN)/evolvent models pull local:qwen2.5-coder-1.5b

demo: setup ## Set everything up and run the main job
	EVOLVENT_HOME=$(DEMO_HOME) $(BIN)/evolvent models pull $(MODEL)
	EVOLVENT_HOME=$(DEMO_HOME) $(BIN)/evolvent learn reasoning-gym:starter --model $(MODEL)

check: setup ## Lint, types, import floors, docs
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(MAKE) --no-print-directory docs

format: setup ## Format the code
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

test: setup models ## Set everything up and run all tests
	EVOLVENT_TEST_MODELS=$(EVOLVENT_MODELS_DIR) $(BIN)/python -m pytest $(PYTEST_ARGS)

test-fast: setup ## Run the tests that need no language model and little time
	EVOLVENT_TEST_MODELS=$(EVOLVENT_MODELS_DIR) $(BIN)/python -m pytest -m "not llm and not slow" $(PYTEST_ARGS)

bench: setup models ## Measure; prints JSON
	$(BIN)/python -m bench

docs: setup ## Build the documentation into site/
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet

clean: ## Remove the virtual environment and everything built
	rm -rf $(VENV) site dist build .mypy_cache .ruff_cache .pytest_cache
