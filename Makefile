# make bench    trains the study `quick`, prints its summary, writes results/quick/
# make test     the fast tests
# make install  only the virtual environment: the command is .venv/bin/longlag
# PIP_ARGS      passed to pip, for instance an index of CPU builds: make bench PIP_ARGS="--index-url URL"

PYTHON ?= python3
VENV ?= .venv
STUDY ?= quick
MANIFEST ?= paper.toml
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
LINKS := .links

.PHONY: help install bench paper test test-all mutants lint types format readme clean
.DEFAULT_GOAL := help

help:
	@echo "make bench [STUDY=quick]  train a study, print its summary, write results/STUDY/"
	@echo "make paper                write the figures, tables and methods that $(MANIFEST) chooses"
	@echo "make install              make the virtual environment, with the command $(BIN)/longlag"
	@echo "make test                 run the fast tests"
	@echo "make test-all             run all tests, the slow ones too"
	@echo "make mutants              plant faults one at a time, and say which the tests see"
	@echo "make lint | types         check style | types"
	@echo "make format               format the code"
	@echo "make readme               write the tables of the READMEs anew"
	@echo "make clean                remove the virtual environment and caches; results stay"

$(INSTALLED): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check $(PIP_ARGS) -c constraints.txt -e ".[cells,dev,parquet]"
	@touch $(INSTALLED)

install: $(INSTALLED)

bench: $(INSTALLED)
	$(BIN)/longlag run $(STUDY)

paper: $(INSTALLED)
	$(BIN)/longlag paper --manifest $(MANIFEST)

test: $(INSTALLED)
	$(BIN)/python -m pytest -n auto

test-all: $(INSTALLED)
	$(BIN)/python -m pytest -n auto -m "not gpu and not browser and not jax"

mutants: $(INSTALLED)
	$(BIN)/python tests/mutants.py

lint: $(INSTALLED)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

# mypy knows no import hooks, so it is shown the two folders as the one package that they are.
types: $(INSTALLED)
	@rm -rf $(LINKS) && mkdir -p $(LINKS)/longlag && ln -s $(CURDIR)/bench/* $(CURDIR)/tasks $(LINKS)/longlag
	MYPYPATH=$(LINKS) $(BIN)/mypy

format: $(INSTALLED)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

# Tables between the marks of cog, from what the program declares: tests/readme_tables.py.
readme: $(INSTALLED)
	$(BIN)/cog -r -I tests README.md results/README.md tasks/README.md bench/README.md bench/*/README.md

clean:
	rm -rf $(VENV) $(LINKS) build *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find bench tasks tests -name __pycache__ -type d -prune -exec rm -rf {} +
