# Every target makes .venv first; nothing outside this directory is touched but PostgreSQL's sockets under TMPDIR.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet
JOBS ?= 2

.DEFAULT_GOAL := help
.PHONY: help install demo test check check-slow format lint types imports clean

help:  ## what there is to make
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/\1\t\2/' | expand -t 14

$(VENV)/.made: pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "twindex needs Python 3.11 or newer; set PYTHON=python3.x"; exit 1; }
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(PIP) install -e '.[twin]'
	@touch $@

$(VENV)/.made-dev: $(VENV)/.made
	$(PIP) install -e '.[twin,test,check]'
	@touch $@

install: $(VENV)/.made  ## .venv with twindex and the embedded server

demo: $(VENV)/.made  ## the whole story on the embedded server; FAST=1 for a minute's version
	$(BIN)/twindex demo $(if $(FAST),--fast)

test: $(VENV)/.made-dev  ## all tests but the slow suites
	$(BIN)/python -m pytest -n $(JOBS) --dist loadfile -m "not slow"

check: $(VENV)/.made-dev format lint types imports test  ## what must be green before a merge

check-slow: $(VENV)/.made-dev  ## kill, load and scale suites
	$(BIN)/python -m pytest -m slow

format: $(VENV)/.made-dev
	$(BIN)/ruff format --check .

lint: $(VENV)/.made-dev
	$(BIN)/ruff check .

types: $(VENV)/.made-dev
	$(BIN)/basedpyright

imports: $(VENV)/.made-dev
	$(BIN)/lint-imports

clean:  ## remove what make made
	rm -rf $(VENV) .twindex dist build
