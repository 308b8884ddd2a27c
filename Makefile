# The verbs of this project; continuous integration runs the same ones. All that is needed: make and Python 3.11.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

PYTHON ?= $(shell command -v python3.11 || command -v python3 || echo python3.11)
BIN := .venv/bin
STAMP := .venv/.installed
EXTRAS := ann,baselines,datasets,dev,text,train
# The demo needs no tool of development.
DEMO_STAMP := .venv/.installed-demo
DEMO_EXTRAS := baselines,datasets,train
# Real data beside the clone, where there is some; else the user's cache, else a download.
ifneq ($(wildcard ../shared/data),)
export AISLE_DATA ?= $(abspath ../shared/data)
endif
# What `make test` runs; tests of timing run alone afterwards, as neighbours on the same cores would disturb them.
TESTS := not quality
JOBS ?= 2

.PHONY: help setup scale demo test lint types arch docs bench clean

help:
	@echo "make setup  an environment in .venv with everything that constraints.txt pins"
	@echo "make scale  adds what training on several processes needs (docs/scale.md); its tests are skipped without"
	@echo "make demo   a whole shop: imported, trained, evaluated, and served on http://127.0.0.1:8000"
	@echo "make test   the tests"
	@echo "make lint types arch docs   style, types, who may import whom, documents"
	@echo "make bench  quality on real data and speed (minutes)"

setup: $(STAMP)

scale: $(STAMP)
	$(BIN)/python -m pip install --no-deps --requirement scale-requirements.txt

$(STAMP): pyproject.toml constraints.txt
	$(call install,$(EXTRAS))
	@touch $@ $(DEMO_STAMP)

$(DEMO_STAMP): pyproject.toml constraints.txt
	$(call install,$(DEMO_EXTRAS))
	@touch $@

define install
@"$(PYTHON)" -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
  || { echo "Aisle needs Python 3.11 or newer; name one: make setup PYTHON=/path/to/python3.11" >&2; exit 1; }
"$(PYTHON)" -m venv .venv
$(BIN)/python -m pip install --constraint constraints.txt --editable '.[$(1)]'
endef

demo: $(DEMO_STAMP)
	$(BIN)/aisle demo

test: $(STAMP)
	$(BIN)/python -m pytest -n $(JOBS) --dist loadfile -m '($(TESTS)) and not timing'
	$(BIN)/python -m pytest -m '($(TESTS)) and timing'

lint: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(STAMP)
	$(BIN)/mypy

arch: $(STAMP)
	$(BIN)/lint-imports

docs: $(STAMP)
	$(BIN)/python docs/build.py

bench: $(STAMP)
	$(BIN)/python -m pytest -m quality
	$(BIN)/aisle demo --no-serve
	$(BIN)/aisle -C aisle-demo bench serve

clean:
	rm -rf .venv build dist .mypy_cache .pytest_cache .ruff_cache .hypothesis .import_linter_cache
