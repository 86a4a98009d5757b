# Every target makes .venv first; nothing outside this directory is touched but PostgreSQL's sockets under TMPDIR.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet
JOBS ?= 3
PYTEST := $(BIN)/python -m pytest -n $(JOBS) --dist loadfile

.DEFAULT_GOAL := help
.PHONY: help install demo bench-platform bench-twin test check check-slow fuzz format lint types imports clean

help:  ## what there is to make
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/\1\t\2/' | expand -t 16

# A .venv whose interpreter is gone (dangling link) or that lacks pip (Debian without python3-venv) is made again.
$(VENV)/.made: pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || \
	    { echo "twindex needs Python 3.11 or newer, and '$(PYTHON)' is not; name one: make PYTHON=python3.x" >&2; exit 1; }
	@$(PYTHON) -c 'import venv, ensurepip' 2>/dev/null || \
	    { echo "'$(PYTHON)' cannot make virtual environments; on Debian or Ubuntu: apt-get install python3-venv" >&2; exit 1; }
	@$(BIN)/python -m pip --version >/dev/null 2>&1 || $(PYTHON) -m venv --clear $(VENV)
	$(PIP) install -e '.[twin]'
	@touch $@

$(VENV)/.made-dev: $(VENV)/.made
	$(PIP) install -e '.[twin,test,check,bench]'
	@touch $@

install: $(VENV)/.made  ## .venv with twindex and the embedded server

demo: $(VENV)/.made  ## the whole story on the embedded server; FAST=1 for a minute's version
	$(BIN)/twindex demo $(if $(FAST),--fast)

bench-platform: $(VENV)/.made  ## the reference platform against its targets; FAST=1 for a short look, OUT=FILE for a page
	$(BIN)/python -m benchmarks.platform $(if $(FAST),--fast) $(if $(OUT),--output $(OUT))

$(VENV)/.made-bench: $(VENV)/.made
	$(PIP) install -e '.[twin,bench]'
	@touch $@

bench-twin: $(VENV)/.made-bench  ## the planner twin on TPC-H and TPC-DS; SCALE=0.1 for a short look, OUT=FILE for a page
	$(BIN)/python -m benchmarks.twin $(if $(SCALE),--scale $(SCALE)) $(addprefix --bin ,$(PGBIN)) $(if $(OUT),-o $(OUT))

test: $(VENV)/.made-dev  ## all tests but the slow suites
	$(PYTEST) -m "not slow"

check: format lint types imports test  ## what must be green before a merge

check-slow: $(VENV)/.made-dev  ## packaging, kill, crash, load and scale suites
	$(PYTEST) -m slow

fuzz: $(VENV)/.made-dev  ## files that nobody meant well; FUZZ_MINUTES=10 for how long, TWINDEX_FUZZ_SEED=N again
	TWINDEX_FUZZ_SECONDS=$$(( $(or $(FUZZ_MINUTES),2) * 60 )) $(BIN)/python -m pytest -m slow tests/fuzz

format: $(VENV)/.made-dev
	$(BIN)/ruff format --check .

lint: $(VENV)/.made-dev
	$(BIN)/ruff check .

types: $(VENV)/.made-dev
	$(BIN)/basedpyright

imports: $(VENV)/.made-dev
	$(BIN)/lint-imports

clean:  ## remove what make made
	rm -rf $(VENV) .twindex dist build .pytest_cache .ruff_cache .hypothesis .import_linter_cache *.egg-info
	find analyzer migrations tests -name __pycache__ -prune -exec rm -rf {} +
