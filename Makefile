# From a fresh clone, with only Python 3.11+ and make: `make run` starts everything, `make test` checks everything.
# Stamps under .venv say which lock is installed, so that a second run asks no package index.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
.PHONY: help install install-dev run test check types bench faults contracts lock clean

PYTHON ?= python3
VENV   := .venv
PY     := $(VENV)/bin/python
JOBS   ?= 2
UP     ?=                    # arguments for `hub up`, for example UP="--port-base 9000 --no-sample"

help: ## what can be done here
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 20

$(VENV)/.python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed; set PYTHON=python3.x")'
	@echo "making $(VENV)"
	@$(PYTHON) -m venv $(VENV)
	@touch $@

$(VENV)/.locked: requirements.lock $(VENV)/.python
	@echo "installing the locked packages"
	@$(PY) -m pip install -q --disable-pip-version-check --require-hashes -r requirements.lock
	@touch $@

$(VENV)/.project: pyproject.toml $(VENV)/.locked
	@$(PY) -m pip install -q --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

$(VENV)/.jars: hub/embedded/jars.lock $(VENV)/.project
	@$(PY) -m hub.embedded.jars
	@touch $@

$(VENV)/.blur: video/pages/blur.py $(VENV)/.project
	@$(PY) -m video blur || echo "video meetings will be without background blur"
	@touch $@

$(VENV)/.compiled: video/plane/fan.c video/plane/take.c video/plane/compiled.h video/plane/compiled.py $(VENV)/.project
	@$(PY) -m video.plane.compiled || echo "video is forwarded by Python alone: the same, at more CPU"
	@touch $@

$(VENV)/.dev: requirements-dev.lock $(VENV)/.project
	@echo "installing the locked packages for checks"
	@$(PY) -m pip install -q --disable-pip-version-check --require-hashes -r requirements-dev.lock
	@touch $@

install: $(VENV)/.project $(VENV)/.jars $(VENV)/.blur $(VENV)/.compiled ## the virtual environment with .venv/bin/hub, the broker's JARs, the blur of video meetings

install-dev: install $(VENV)/.dev ## install, and what the checks need

run: install ## start Kafka, PostgreSQL, the hub and its stand-ins with a sample day; Ctrl-C stops all
	@exec $(VENV)/bin/hub up $(UP)

check: install-dev ## ruff and mypy
	$(VENV)/bin/ruff check .
	$(VENV)/bin/mypy

test: check ## everything CI checks (JOBS test processes beside each other: most tests wait for servers)
	$(PY) -m pytest -n $(JOBS) --dist loadscope --no-loadscope-reorder

bench: install-dev ## the benchmarks, as ratios
	$(PY) -m bench

faults: install-dev ## the long fault runs; report in docs/faults.md
	$(PY) -m tests.faults

contracts: install-dev ## write the published contracts anew from the models
	$(PY) -m schemas.generate

lock: ## make both lock files anew (needs uv)
	uv pip compile -q --universal --generate-hashes --python-version 3.11 --no-emit-index-url --no-header --no-annotate \
	    --extra build pyproject.toml -o requirements.lock
	uv pip compile -q --universal --generate-hashes --python-version 3.11 --no-emit-index-url --no-header --no-annotate \
	    --extra build --extra dev -c requirements.lock pyproject.toml -o requirements-dev.lock

clean: ## forget the virtual environment and the running data
	rm -rf $(VENV) var
