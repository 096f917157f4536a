# The commands a newcomer types. Each installs what it needs; it requires Python >= 3.11, git and a package registry.

CORES ?= all
# Jobs are single-threaded and run side by side; more threads in each would only fight over the cores.
export OMP_NUM_THREADS ?= 1
export PATH := $(CURDIR)/.venv/bin:$(PATH)

# A user's settings must not change what comes out; which ones do is in docs/how-to/other-machines.md. PYTHON is ours.
unexport $(filter-out PYTHON,$(filter PYTHON%,$(.VARIABLES)))
unexport BASH_ENV CDPATH MYPYPATH MPLBACKEND $(shell git rev-parse --local-env-vars 2>/dev/null)
export PYTHONUTF8 := 1

# Programs keep caches in the home folder. Some containers have none, or one that only root may write.
ifneq ($(shell test -d "$$HOME" && echo yes),yes)
export HOME := $(shell mkdir -p .home && pwd)/.home
else ifneq ($(shell test -w "$$HOME" && echo yes),yes)
export XDG_CACHE_HOME ?= $(shell mkdir -p .home && pwd)/.home
endif

# The preset whose results are shipped: the study, or until it is done the pilot.
PRESET ?= $(if $(wildcard results/second/tables/study.json),second,pilot)

SNAKEMAKE = snakemake --cores $(CORES)
READY = .venv/.ready
# Programs in .venv name the folder that they were made for, so in a copy of the project they would be the original's.
IS_OURS = $(shell test "$$(cat $(READY) 2>/dev/null)" -ef .venv && test -x .venv/bin/python && $(HAS_EXTRAS) && echo yes)
# make EXTRAS=ray: with Ray, for real workers. Once asked for it stays, until EXTRAS= is given.
HAS_EXTRAS = $(if $(filter command,$(origin EXTRAS)),test "$$(cat .venv/.extras 2>/dev/null)" = "$(EXTRAS)",true)
ifneq ($(origin EXTRAS),command line)
unexport EXTRAS
endif

.SILENT:
.DEFAULT_GOAL := help
.PHONY: help setup tex demo paper figures verify test lint types format readme reference docs notebooks
.PHONY: lock prune clean
.PHONY: $(if $(IS_OURS),,$(READY))

help: ## list these targets
	awk -F ':.*## ' '/^[a-z]+:.*## / {sub(/\$$\(PRESET\)/, "$(PRESET)", $$2); printf "make %-9s %s\n", $$1, $$2}' Makefile

setup: $(READY) ## make the virtual environment .venv from requirements.lock (EXTRAS=ray: with Ray, for real workers)

$(READY): requirements.lock pyproject.toml workflow/scripts/make_environment.sh
	workflow/scripts/make_environment.sh .venv

tex: ## install TeX if it is missing and may be installed
	workflow/scripts/install_tex.sh

demo: $(READY) ## the whole study in small, on synthetic images, to a PDF (minutes)
	workflow/scripts/run_preset.sh smoke $(SNAKEMAKE)
	if ! grep -q '^  workers:' params.yaml; then :; \
	elif python -c 'import ray' 2>/dev/null; then $(SNAKEMAKE) --config preset=workers pdf=False; \
	else echo 'skipped: real workers, which need Ray (make demo EXTRAS=ray)'; fi

paper: $(READY) ## the study on CIFAR-10, to a PDF (hours)
	workflow/scripts/run_preset.sh paper $(SNAKEMAKE)

figures: $(READY) ## draw figures, verdicts and report of PRESET (default: $(PRESET)) from its tables (minutes)
	targets=$$(workflow/scripts/install_tex.sh >&2 && echo all || echo tables figures build_explorer) && \
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

readme: $(READY) ## put verdicts, findings, the benchmark and the citation into the README
	python workflow/scripts/update_readme.py

reference: $(READY) ## write the generated pages of docs/: reference, claims and rules, gallery
	python workflow/scripts/build_reference.py

docs: $(READY) ## make the documentation a site with search, which needs no network: build/docs/index.html
	sphinx-build --quiet --fail-on-warning --keep-going -d build/doctrees docs build/docs
	echo "build/docs/index.html"

notebooks: $(READY) ## execute the notebooks in docs/notebooks again, in place (minutes)
	jupyter nbconvert --log-level WARN --to notebook --execute --inplace --ExecutePreprocessor.record_timing=False \
		docs/notebooks/*.ipynb

lock: $(READY) ## choose the exact versions of requirements.lock again
	uv pip compile --quiet --upgrade pyproject.toml --all-extras --universal --python-version 3.11 \
		--custom-compile-command "make lock" -o requirements.lock

prune: $(READY) ## list the runs that no preset asks for, and delete them (YES=1: without asking)
	asgd prune $(if $(filter command,$(origin YES)),--yes)

clean: ## delete the results of `make demo` and caches; trained runs stay (rm -r results/runs results/kept)
	if [ -L results/smoke ]; then echo "results/smoke is a link: it goes, and what it leads to stays"; fi
	rm -rf results/smoke build/docs build/doctrees .pytest_cache .mypy_cache .ruff_cache .hypothesis
