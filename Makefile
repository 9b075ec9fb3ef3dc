# `make test` and `make demo` set everything up first where that is missing. Another Python: make setup PYTHON=python3.12
# With mmcv's operators, which are compiled: make setup OPS=1. Without them again: make setup OPS=0
PYTHON ?= python3
RUN := .venv/$(if $(filter Windows_NT,$(OS)),Scripts,bin)/python
.DEFAULT_GOAL := help
.PHONY: help setup test demo lint types docs check

help:  ## this list
	@sed -n 's/^\([a-z]*\):[^#]*## /  make \1\t/p' Makefile | expand -t 16

setup:  ## .venv with the proven versions (constraints.txt); about two minutes and the downloads, once
	@command -v $(PYTHON) >/dev/null || { echo "error: no command $(PYTHON): install Python 3.11, or name one: make setup PYTHON=/path/to/python3.11" >&2; exit 1; }
	@$(PYTHON) -SE requirements/setup_env.py

test: setup  ## the test suite (ARGS="-k loss" to choose)
	OMP_NUM_THREADS=1 $(RUN) -m pytest --numprocesses auto --dist loadfile $(ARGS)

demo: setup  ## data, training, evaluation and pictures on a synthetic set, in minutes, without a GPU
	$(RUN) tools/demo.py

lint: setup  ## ruff: rules and layout
	$(RUN) -m ruff check .
	$(RUN) -m ruff format --check .

types: setup  ## mypy
	$(RUN) -m mypy

docs: setup  ## the documentation as a site in site/; a broken link or anchor is an error
	$(RUN) -m zensical build --strict --clean

check: lint types docs test  ## all of it, as before a pull request
