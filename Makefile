# The commands a newcomer types. Each sets itself up: it needs Python >= 3.11, git, make and a package registry.

SHELL := /bin/bash
CORES ?= all
# Jobs are single-threaded and run side by side; more threads in each would only fight over the cores.
export OMP_NUM_THREADS ?= 1
export PATH := $(CURDIR)/.venv/bin:$(PATH)

# The preset whose results are shipped: the study, or until it is done the pilot.
PRESET ?= $(if $(wildcard results/paper-jpeg/tables/study.json),paper-jpeg,pilot)

SNAKEMAKE = snakemake --cores $(CORES)
READY = .venv/.ready

.SILENT:
.DEFAULT_GOAL := help
.PHONY: help setup tex demo paper figures verify test lint types format readme reference lock prune clean

help: ## list these targets
	awk -F ':.*## ' '/^[a-z]+:.*## / {sub(/\$$\(PRESET\)/, "$(PRESET)", $$2); printf "make %-9s %s\n", $$1, $$2}' Makefile

setup: $(READY) ## make the virtual environment .venv from requirements.lock

$(READY): requirements.lock pyproject.toml workflow/scripts/make_environment.sh
	workflow/scripts/make_environment.sh .venv
	touch $@

tex: ## install TeX if it is missing and may be installed
	workflow/scripts/install_tex.sh

demo: $(READY) ## the whole study in small, on synthetic images, to a PDF (minutes)
	workflow/scripts/run_preset.sh smoke $(SNAKEMAKE)

paper: $(READY) ## the study on CIFAR-10, to a PDF (hours)
	workflow/scripts/run_preset.sh paper $(SNAKEMAKE)

figures: $(READY) ## draw the figures and report of PRESET (default: $(PRESET)) anew from its tables (minutes)
	targets=$$(workflow/scripts/install_tex.sh >&2 && echo all || echo tables figures) && \
	$(SNAKEMAKE) --forceall --config shipped=True preset=$(PRESET) -- $$targets

verify: $(READY) ## check the shipped results against configuration, sources and data
	asgd verify

test: $(READY) ## run all tests
	workflow/scripts/install_tex.sh || true
	pytest -n auto

lint: $(READY) ## check style and formatting (ruff)
	ruff check
	ruff format --check

types: $(READY) ## check types (mypy)
	mypy

format: $(READY) ## put the sources into the checked format
	ruff format
	ruff check --fix

readme: $(READY) ## put the verdicts of PRESET (default: $(PRESET)) and the benchmark into the README
	python workflow/scripts/update_readme.py $(PRESET)

reference: $(READY) ## write docs/reference.md anew
	python workflow/scripts/build_reference.py

lock: $(READY) ## choose the exact versions of requirements.lock anew
	uv pip compile --quiet --upgrade pyproject.toml --all-extras --universal --python-version 3.11 \
		--custom-compile-command "make lock" -o requirements.lock

prune: $(READY) ## list the runs that no preset asks for, and delete them (YES=1: without asking)
	asgd prune $(if $(YES),--yes)

clean: ## delete the results of `make demo` and caches; trained runs stay (rm -r results/runs results/kept)
	rm -rf results/smoke .pytest_cache .mypy_cache .ruff_cache .hypothesis
