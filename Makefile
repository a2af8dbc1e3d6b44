# Two commands need nothing but Python 3.11, git and make: `make fuzz` and `make test`.

PYTHON ?= python3.11
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

.PHONY: install fuzz test test-ray check format clean

install: $(STAMP)

$(STAMP): pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV) || python3 -m venv $(VENV)
	$(BIN)/python -c 'import sys; sys.exit(sys.version_info < (3, 11) and "graphfuzz needs Python 3.11: make PYTHON=...")'
	$(BIN)/python -m pip install --quiet --upgrade "pip>=25.1"
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable . --group dev
	touch $@

fuzz: install  ## a two-minute campaign on all routes
	$(BIN)/graphfuzz fuzz --seconds 120

test: install  ## everything that must hold: static checks, then the test suite
	$(MAKE) --no-print-directory check
	$(BIN)/python -m pytest -n 2 --dist worksteal --durations 15

test-ray: install  ## what needs Ray, which takes minutes: two clusters and a lost node
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable ".[ray]"
	$(BIN)/python -m pytest tests/campaign/test_on_ray.py

check: install  ## formatting, lint, types, layers
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: install
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

clean:
	rm -rf $(VENV) build dist
