# Each target sets up what it needs; a machine with Python 3.11 to 3.13 is enough.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV ?= .venv
BIN = $(VENV)/bin
PROMPT ?= a red mushroom with white dots
PYTEST = $(BIN)/python -m pytest -n auto --dist loadfile
FLOORS = docs/images/floors.svg
SECONDS ?= 300
SEED ?= 1

# What a laptop without AVX-512 runs: torch, oneDNN, MKL, OpenBLAS and numba are each held to AVX2.
LAPTOP = ATEN_CPU_CAPABILITY=avx2 ONEDNN_MAX_CPU_ISA=AVX2 MKL_ENABLE_INSTRUCTIONS=AVX2 OPENBLAS_CORETYPE=Haswell \
	NUMBA_CPU_NAME=haswell NUMBA_CPU_FEATURES= NUMBA_CACHE_DIR="$(abspath $(VENV))/numba-laptop" \
	PATH="$(abspath $(BIN)):$$PATH"

export OMP_WAIT_POLICY ?= PASSIVE
# Else each process of the tests compiles all modules and rewrites the asserts of all tests anew.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: demo laptop test slow claims coverage lint resolves fuzz kills bench gpu docs clean

demo: $(VENV)/.installed
	$(BIN)/maquette run instant prompt="$(PROMPT)"

# make laptop CMD="maquette run dreamfusion prompt='a red mug'"
laptop: $(VENV)/.installed
	$(if $(CMD),,$(error say what to run: make laptop CMD="maquette doctor"))$(LAPTOP) $(CMD)

test: $(VENV)/.installed-dev
	$(PYTEST) -m "not slow and not claims"

slow: $(VENV)/.installed-dev
	$(PYTEST) -m "slow and not claims"

# Statistics over many runs: ten minutes of one core.
claims: $(VENV)/.installed-dev
	$(PYTEST) -m claims

coverage: $(VENV)/.installed-dev
	$(PYTEST) -m "not claims" --cov --cov-report=term:skip-covered

lint: $(VENV)/.installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

# Whether every claimed version of Python can install what constraints.txt pins; asks the package index.
resolves: $(VENV)/.installed
	$(BIN)/python .ci/resolves

# Hostile files through every reader: make fuzz SECONDS=300 SEED=1
fuzz: $(VENV)/.installed-dev
	$(BIN)/python benchmarks/fuzz_readers.py --seconds $(SECONDS) --seed $(SEED)

# Runs that are killed at random moments, and that find the disk full, go on to the same bits: an hour or two.
kills: $(VENV)/.installed-dev
	$(BIN)/python benchmarks/kills.py --json benchmarks/results/kills.json
	$(BIN)/python benchmarks/full_disk.py --json benchmarks/results/full-disk.json

bench: $(VENV)/.installed-dev
	$(LAPTOP) $(BIN)/python benchmarks/bench_all.py --json benchmarks/results/kernels.json
	$(BIN)/python benchmarks/table.py

# Ten minutes on a CUDA card; benchmarks/gpu_check.py says what for.
gpu: $(VENV)/.installed-dev
	$(BIN)/python benchmarks/gpu_check.py --json outputs/gpu-check.json

# The site, in docs/_build/html: open index.html.
docs: $(VENV)/.installed-docs
	$(BIN)/python docs/draw_floors.py $(FLOORS)
	$(BIN)/python docs/method_costs.py docs/methods
	$(BIN)/python -m maquette.stages.fits
	$(BIN)/sphinx-build -q -W --keep-going -b html docs docs/_build/html

clean:
	rm -rf $(VENV)

$(VENV)/bin/pip:
	$(PYTHON) -m venv $(VENV)

$(VENV)/.installed: $(VENV)/bin/pip pyproject.toml plugins/maquette-nano/pyproject.toml constraints.txt scripts/install_torch.py
	$(BIN)/python scripts/install_torch.py torch==2.13.0 -c constraints.txt
	$(BIN)/pip install -q --disable-pip-version-check -c constraints.txt -e . -e plugins/maquette-nano
	touch $@

$(VENV)/.installed-dev: $(VENV)/.installed
	$(BIN)/pip install -q --disable-pip-version-check -c constraints.txt -e ".[dev]"
	touch $@

$(VENV)/.installed-docs: $(VENV)/.installed
	$(BIN)/pip install -q --disable-pip-version-check -c constraints.txt -e ".[docs]"
	touch $@
