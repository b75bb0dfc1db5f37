# Each target sets up what it needs; a machine with Python 3.10 to 3.13 is enough.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV ?= .venv
BIN = $(VENV)/bin
PROMPT ?= a red mushroom with white dots

export OMP_WAIT_POLICY ?= PASSIVE

.PHONY: demo test claims coverage lint bench clean

demo: $(VENV)/.installed
	$(BIN)/maquette run dreamfusion prompt="$(PROMPT)"

test: $(VENV)/.installed-dev
	$(BIN)/python -m pytest -n auto --dist loadfile

claims: $(VENV)/.installed-dev
	$(BIN)/python -m pytest -n auto --dist loadfile -m claims

coverage: $(VENV)/.installed-dev
	$(BIN)/python -m pytest -n auto --dist loadfile --cov --cov-report=term:skip-covered

lint: $(VENV)/.installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

bench: $(VENV)/.installed-dev
	$(BIN)/python benchmarks/bench_all.py --json benchmarks/results/kernels.json
	$(BIN)/python benchmarks/table.py

clean:
	rm -rf $(VENV)

$(VENV)/bin/pip:
	$(PYTHON) -m venv $(VENV)

$(VENV)/.installed: $(VENV)/bin/pip pyproject.toml plugins/maquette-nano/pyproject.toml constraints.txt
	$(BIN)/pip install -q --disable-pip-version-check -c constraints.txt torch==2.13.0
	$(BIN)/pip install -q --disable-pip-version-check -c constraints.txt -e . -e plugins/maquette-nano
	touch $@

$(VENV)/.installed-dev: $(VENV)/.installed
	$(BIN)/pip install -q --disable-pip-version-check -c constraints.txt -e ".[dev]"
	touch $@
