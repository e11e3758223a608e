# `make demo` and `make test` need nothing but Python 3.11 to 3.13; they set themselves up in .venv.
PYTHON ?= python3
BIN := .venv/bin
READY := .venv/.ready

.PHONY: setup demo test test-slow lint format docs bench clean
.DEFAULT_GOAL := help

help:
	@echo "make demo       train the whole family and explain it as one page, runs/tour.html"
	@echo "make test       run the test suite"
	@echo "make test-slow  run the tests that take minutes"
	@echo "make lint       check style and types"
	@echo "make docs       build the documentation into docs/_build/html"
	@echo "make bench      run the short benchmarks"

setup: $(READY)

# Reinstalled whenever what it installs has changed.
$(READY): pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --upgrade --constraint constraints.txt pip
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[dev,docs]'
	@touch $@

demo: $(READY)
	@$(BIN)/isthmus tour --out runs/tour.html
	@echo "open it in a browser: file://$(CURDIR)/runs/tour.html"

# One thread each: test processes that share cores would wait for each other at every matrix product.
test: export OMP_NUM_THREADS = 1
test: $(READY)
	$(BIN)/python -m pytest --numprocesses auto --quiet

test-slow: $(READY)
	$(BIN)/python -m pytest -m slow

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/pyright

format: $(READY)
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

docs: $(READY)
	$(BIN)/python -m sphinx -W --keep-going -b html docs docs/_build/html

bench: $(READY)
	$(BIN)/python benchmarks/linear.py
	$(BIN)/python benchmarks/nonlinear.py --seeds 2

clean:
	rm -rf .venv docs/_build docs/generated .pytest_cache .ruff_cache
