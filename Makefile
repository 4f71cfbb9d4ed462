# Every target works on a fresh clone with python3 (3.11 or newer) and make. Nothing asks a question.
#
#   make demo     see the model correct and fill in text in the terminal
#   make check    lint, formatting, types, documentation, import directions
#   make test     check, then every test
#   make bench    measure speed and quality on this machine
#   make soak     what takes hours: the law, hostile bodies, generated requests, half an hour over HTTP, locks

PYTHON ?= python3
BIN := .venv/bin
STAMP := .venv/.installed

.PHONY: demo check test bench soak

demo: $(STAMP)
	$(BIN)/redraft demo

check: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -q tests/test_imports.py tests/test_docs.py

test: check
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -q -rs -n 2

bench: $(STAMP)
	$(BIN)/python -m benchmarks.run

soak: $(STAMP)
	OMP_NUM_THREADS=1 $(BIN)/python -m benchmarks.soaks

# torch goes first, so that the pinned build is in place before anything can ask for another one; setuptools with it,
# because the editable install builds without an isolated environment and so downloads nothing unpinned.
$(STAMP): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Redraft needs Python 3.11 or newer; this is " + sys.version.split()[0])'
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --constraint constraints.txt setuptools torch==2.13.0
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --no-build-isolation --editable '.[dev]'
	@touch $@
