# make demo | test | test-browser | test-real | check: each starts from a clone with Python 3.11+ and make, and nothing else.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
REAL := $(wildcard ../shared/data)
ifneq ($(REAL),)
export ASAP_REAL_DATA ?= $(abspath $(REAL))
endif
export HF_HUB_DISABLE_TELEMETRY := 1
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt

.PHONY: demo test test-browser test-real check clean

demo: $(VENV)/.demo
	rm -rf demo-run
	$(BIN)/asap prune examples/traces.jsonl --ratio 0.4 --output demo-run
	$(BIN)/asap show demo-run --row 0
	@echo 'see all of it in the browser: $(BIN)/asap view demo-run'

test: $(VENV)/.dev
	$(BIN)/python -m pytest -m "not slow and not ray and not gpu and not browser" --timeout 120 -n 2 --dist loadfile

test-browser: $(VENV)/.dev
	$(BIN)/python -m pytest -m browser --timeout 120

test-real: $(VENV)/.dev
	$(BIN)/python -m pytest -m "real or slow or ray" --timeout 600 --durations 10

check: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

clean:
	rm -rf $(VENV) demo-run .pytest_cache .mypy_cache .ruff_cache

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo "asap needs Python 3.11 or later; name one: make PYTHON=python3.12 ..." >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)

$(VENV)/.demo: pyproject.toml constraints.txt | $(BIN)/python
	$(PIP) -e '.[score,llm,view]'
	touch $@

$(VENV)/.dev: pyproject.toml constraints.txt | $(BIN)/python
	$(PIP) -e '.[dev]'
	touch $@
