# Every target makes .venv first; nothing outside this directory is touched but PostgreSQL's sockets under TMPDIR.
PYTHON ?= python3
# NEWEST=1 takes the newest releases of everything, in a .venv of their own, instead of those of locks/.
VENV := $(if $(NEWEST),.venv-newest,.venv)
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet
JOBS ?= 4
# Wheels whose hashes locks/ holds, and no code of a package while it is installed.
PIP_LOCKED := $(PIP) install --require-hashes --only-binary :all:
# In the order of collection: the long suites begin, and leave no tail.
PYTEST = $(BIN)/python -m pytest -n $(JOBS) --dist loadfile --no-loadscope-reorder
LOCK := $(BIN)/uv pip compile --no-config --quiet --universal --python-version 3.11 --generate-hashes \
    --only-binary :all: --custom-compile-command 'make lock' $(if $(KEEP),,--upgrade)

.DEFAULT_GOAL := help
.PHONY: help install demo bench-advisor bench-checks bench-commands bench-platform bench-scale bench-twin bench-upkeep bench-workers bench-workload unit test check check-newest check-slow format lint \
    types imports fuzz fuzz-deploy zoo matrix lock audit dist sbom clean newest

help:  ## what there is to make
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/\1\t\2/' | expand -t 16

# A .venv whose interpreter is gone (dangling link) or that lacks pip (Debian without python3-venv) is made again.
define make_venv
@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || \
    { echo "twindex needs Python 3.11 or newer, and '$(PYTHON)' is not; name one: make PYTHON=python3.x" >&2; exit 1; }
@$(PYTHON) -c 'import venv, ensurepip' 2>/dev/null || \
    { echo "'$(PYTHON)' cannot make virtual environments; on Debian or Ubuntu: apt-get install python3-venv" >&2; exit 1; }
@$(BIN)/python -m pip --version >/dev/null 2>&1 || $(PYTHON) -m venv --clear $(VENV)
endef

ifdef NEWEST
$(VENV)/.made $(VENV)/.made-dev: newest

newest:
	$(make_venv)
	$(PIP) install --upgrade --upgrade-strategy eager pip -e '.[twin,test,check,release,bench]'
	@echo "not as in locks/:"
	@sed -nE 's/^([a-z0-9-]+==[^ ;]+).*/\1/p' locks/*.txt | sort -u >$(VENV)/locked
	@$(PIP) list --format freeze --exclude-editable | awk -F== '{ gsub(/[_.]/, "-", $$1); print tolower($$1) "==" $$2 }' | \
	    sort | comm -13 $(VENV)/locked - | sed 's/^/    /'
	@touch $(VENV)/.made $(VENV)/.made-dev
else
$(VENV)/.made: pyproject.toml locks/twin.txt locks/build.txt
	$(make_venv)
	$(PIP_LOCKED) -r locks/twin.txt -r locks/build.txt
	$(PIP) install --no-index --no-deps --no-build-isolation -e .
	@touch $@

$(VENV)/.made-dev: $(VENV)/.made locks/dev.txt
	$(PIP_LOCKED) -r locks/dev.txt
	@touch $@
endif

install: $(VENV)/.made  ## .venv with twindex and the embedded server

demo: $(VENV)/.made  ## the whole story on the embedded server; FAST=1 for a minute's version
	$(BIN)/twindex demo $(if $(FAST),--fast)

bench-platform: $(VENV)/.made  ## the reference platform against its targets; FAST=1 for a short look, OUT=FILE for a page
	$(BIN)/python -m benchmarks.platform $(if $(FAST),--fast) $(if $(OUT),--output $(OUT))

bench-twin: $(VENV)/.made-dev  ## the planner twin on TPC-H and TPC-DS; SCALE=0.1 for a short look, OUT=FILE for a page
	$(BIN)/python -m benchmarks.twin $(if $(SCALE),--scale $(SCALE)) $(addprefix --bin ,$(PGBIN)) $(if $(OUT),-o $(OUT))

bench-commands: $(VENV)/.made  ## the commands on the databases of large applications; OUT=FILE for a page
	$(BIN)/python -m benchmarks.commands $(if $(OUT),-o $(OUT))

bench-advisor: $(VENV)/.made-dev  ## the advisor beside the known algorithms; SCALE=0.1, ARGS="--suite tpch --budget 1024", OUT=FILE for a page
	$(BIN)/python -m benchmarks.advisor $(if $(SCALE),--scale $(SCALE)) $(ARGS) $(if $(OUT),-o $(OUT))

bench-scale: $(VENV)/.made  ## the advisor on 5,000 statements, 300 tables and 2,000 indexes; STATEMENTS=500 for a short look, OUT=FILE for a page
	$(BIN)/python -m benchmarks.advisor_scale $(addprefix --statements ,$(STATEMENTS)) $(if $(OUT),-o $(OUT))

bench-checks: $(VENV)/.made  ## check --health on 2,000 tables and 5,000 indexes; OUT=FILE for a page
	$(BIN)/python -m benchmarks.checks $(if $(OUT),-o $(OUT))

bench-upkeep: $(VENV)/.made  ## what each index adds to writes, against the formulas; SCALE=0.3 for a shorter run, OUT=FILE for a page
	$(BIN)/python -m benchmarks.upkeep $(if $(SCALE),--scale $(SCALE)) $(if $(OUT),-o $(OUT))

bench-workload: $(VENV)/.made-dev  ## what share of recorded statements can be planned (OUT=FILE for a page), and how fast logs are read
	$(BIN)/python -m benchmarks.workload $(if $(OUT),-o $(OUT))
	$(BIN)/python -m benchmarks.log_reader $(if $(SIZE),--size $(SIZE))

bench-workers: $(VENV)/.made-dev  ## two workers against one, own processes and Dask's; SNAPSHOT=FILE of TPC-DS data, QUERIES=20 for a short look
	$(BIN)/python -m benchmarks.workers $(if $(SCALE),--scale $(SCALE)) $(if $(SNAPSHOT),--snapshot $(SNAPSHOT)) \
	    $(if $(QUERIES),--queries $(QUERIES))

unit: JOBS := 2
unit: $(VENV)/.made-dev  ## the tests without a server
	$(PYTEST) -m "not slow" tests/unit

test: $(VENV)/.made-dev  ## all tests but the slow suites; T="tests/unit/test_parse.py" for some of them
	$(PYTEST) -m "not slow" $(TESTS) $(T)

check: format lint types imports test  ## what must be green before a merge

check-newest:  ## the same on the newest releases of everything, in .venv-newest; TESTS="…" for some of the tests
	@$(MAKE) --no-print-directory --keep-going check NEWEST=1

# Deaths and locks are timed there.
check-slow: JOBS := 3
check-slow: $(VENV)/.made-dev  ## packaging, audit, kill, crash, load and scale suites, two majors, ten minutes of fuzzing
	TWINDEX_FUZZ_SECONDS=$${TWINDEX_FUZZ_SECONDS:-600} $(PYTEST) -m slow

fuzz: $(VENV)/.made-dev  ## files that nobody meant well; FUZZ_MINUTES=10 for how long, TWINDEX_FUZZ_SEED=N again
	TWINDEX_FUZZ_SEED=$${TWINDEX_FUZZ_SEED:-$$(date +%s)} TWINDEX_FUZZ_SECONDS=$$(( $(or $(FUZZ_MINUTES),2) * 60 )) \
	    $(BIN)/python -m pytest -m slow tests/fuzz

zoo: $(VENV)/.made-dev  ## databases grown of whatever the catalog lists; SECONDS=600 for how long, SEED=N again
	TWINDEX_ZOO_SEED=$(or $(SEED),$$(date +%s)) TWINDEX_ZOO_SECONDS=$(or $(SECONDS),300) \
	    $(BIN)/python -m pytest -m slow -s tests/server/test_zoo.py

matrix: $(VENV)/.made-dev  ## the laws and a selection of the server tests on PostgreSQL 14 to 18; MAJORS="14 17"
	TWINDEX_TEST_MAJORS="$(or $(MAJORS),14 15 16 17 18)" $(BIN)/python -m pytest -m slow -rs tests/server/test_majors.py

fuzz-deploy: $(VENV)/.made-dev  ## random schedules of deploys; SECONDS=600 for how long, SEED=N for that one alone
	TWINDEX_FUZZ_SEED=$(or $(SEED),$$(date +%s)) TWINDEX_FUZZ_DEPLOY_SECONDS=$(or $(SECONDS),$(if $(SEED),,120)) \
	    $(BIN)/python -m pytest -s -m slow tests/server/test_deploy_fuzz.py -k every_schedule

format: $(VENV)/.made-dev
	$(BIN)/ruff format --check .

lint: $(VENV)/.made-dev
	$(BIN)/ruff check .

types: $(VENV)/.made-dev
	$(BIN)/basedpyright --pythonpath $(BIN)/python

imports: $(VENV)/.made-dev
	$(BIN)/lint-imports

lock: $(VENV)/.made-dev  ## choose the newest releases for locks/, which .venv is made of; KEEP=1 changes only what must
	$(LOCK) pyproject.toml --extra twin --extra test --extra check --extra release --extra bench -o locks/dev.txt
	$(LOCK) pyproject.toml --constraint locks/dev.txt --extra twin -o locks/twin.txt
	$(LOCK) --group build --constraint locks/dev.txt -o locks/build.txt

audit: $(VENV)/.made-dev  ## known vulnerabilities of what locks/ pins; asks a service on the network
	$(BIN)/python -m pytest -rs tests/acceptance/test_audit.py

# The date in the archives is the commit's, so that the same commit gives the same bytes anywhere.
dist: export SOURCE_DATE_EPOCH ?= $(shell git log -1 --format=%ct 2>/dev/null || echo 1580601600)
dist: $(VENV)/.made-dev  ## wheel and sdist in dist/, byte for byte the same from the same commit
	$(BIN)/python -m build --no-isolation --outdir dist

# The generator reads no version that is computed, and warns that pip's format has no graph of dependencies.
sbom: $(VENV)/.made-dev  ## what an installation with the twin consists of, in dist/twindex.cdx.json (CycloneDX)
	@mkdir -p build dist
	@version=$$($(BIN)/python -c 'from analyzer import __version__; print(__version__)') && \
	    sed "s/^dynamic = .*/version = \"$$version\"/" pyproject.toml >build/pyproject.toml
	$(BIN)/python -W ignore::UserWarning -m cyclonedx_py requirements locks/twin.txt --pyproject build/pyproject.toml \
	    --output-reproducible -o dist/twindex.cdx.json

clean:  ## remove what make made
	rm -rf .venv .venv-newest .twindex dist build .pytest_cache .ruff_cache .hypothesis .import_linter_cache *.egg-info
	find analyzer migrations tests -name __pycache__ -prune -exec rm -rf {} +
