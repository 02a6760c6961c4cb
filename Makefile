# Two commands: `make demo` and `make test`. Both make .venv first, with magik and its backends in it.
PYTHON ?= python3
VENV ?= .venv
BIN = $(VENV)/bin
export PATH := $(abspath $(BIN)):$(PATH) # cmake and ninja of .venv
JOBS ?= 2
FUZZ ?= 200000

.PHONY: demo test lint fuzz bench docs clean

demo: $(VENV)/ready
	@$(BIN)/python examples/digits/demo.py

test: $(VENV)/ready lint
	$(BIN)/python -m pytest -n $(JOBS) tests

lint: $(VENV)/ready
	$(BIN)/ruff check .
	$(BIN)/mypy

fuzz: $(VENV)/ready
	$(BIN)/python -m tests.runtime.fuzz --mutants $(FUZZ)

bench: $(VENV)/ready
	$(BIN)/python -m bench.frontends
	$(BIN)/python -m bench.accuracy
	$(BIN)/python -m bench.convert
	$(BIN)/python -m bench.planner
	$(BIN)/python -m bench.mips
	$(BIN)/python -m bench.size
	$(BIN)/python -m bench.runtime
	$(BIN)/python -m bench.training

docs: $(VENV)/ready
	$(BIN)/python docs/generate.py

# Editable: sources are used where they lie; a changed .c is rebuilt by the next make.
$(VENV)/ready: pyproject.toml plugins/*/pyproject.toml constraints.txt magik_core/runtime/CMakeLists.txt magik_core/runtime/*/*.c magik_core/ops/*.c
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet -c constraints.txt --editable ".[test]" $(addprefix --editable ,$(wildcard plugins/*/.))
	touch $@

clean:
	rm -rf $(VENV) build .pytest_cache .mypy_cache .ruff_cache .hypothesis
