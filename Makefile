# Every target installs what it needs, is quiet on success, and fails loudly.
SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DELETE_ON_ERROR:
.ONESHELL:
MAKEFLAGS += --no-print-directory
.SILENT:
.PHONY: run test check lint types docs bench faults soak proto constraints schema clean

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --quiet --disable-pip-version-check
RUN_EXTRAS := db,train,embed
ALL_EXTRAS := $(RUN_EXTRAS),onnx,dev

run: $(VENV)/.run ## install, start the embedded database, run a PAC training cycle on the digits
	$(BIN)/cerebros-bridge cycle examples/digits.toml --pac demo

test: $(VENV)/.all $(VENV)/.system ## all tests, on a real database, server and BEAM
	$(BIN)/python -m pytest

check: lint types ## everything that needs no run of the program

lint: $(VENV)/.all
	$(BIN)/ruff check --quiet .
	$(BIN)/ruff format --check --quiet .
	$(BIN)/lint-imports > $(VENV)/imports.log || { cat $(VENV)/imports.log; exit 1; }
	$(BIN)/buf lint
	echo "lint: passed"

types: $(VENV)/.all
	$(BIN)/mypy

proto: $(VENV)/.all ## generate bridge/pb from proto/
	$(BIN)/buf lint
	$(BIN)/python -m grpc_tools.protoc -Iproto --python_out=bridge/pb --pyi_out=bridge/pb proto/cerebros/v1/bridge.proto
	echo "proto: bridge/pb is generated"

docs: $(VENV)/.run ## the manifest format as JSON Schema, and links that lead somewhere
	$(BIN)/cerebros-bridge dataset schema | $(BIN)/python -m json.tool > docs/manifest.schema.json
	$(BIN)/python -m pytest tests/test_docs.py

bench: $(VENV)/.all ## every bench, each with its peer or limit from the same run
	for bench in bench/bench_*.py; do $(BIN)/python $$bench; done

bench-%: $(VENV)/.all
	$(BIN)/python bench/bench_$*.py

faults: $(VENV)/.all $(VENV)/.system ## everything that can be killed, frozen, filled or spoilt, with a control for each guard
	$(BIN)/python -m tests.faults

SOAK_S ?= 1800

soak: $(VENV)/.all $(VENV)/.system ## the faults again and again for 30 minutes, each round with a seed of its own
	end=$$((SECONDS + $(SOAK_S))); rounds=0
	while ((SECONDS < end)); do
	  $(BIN)/python -m tests.faults --no-controls > $(VENV)/soak.log || { cat $(VENV)/soak.log; exit 1; }
	  rounds=$$((rounds + 1))
	done
	echo "soak: $$rounds rounds in $$SECONDS s, every fault held"

constraints: ## pin anew, from a fresh environment without constraints
	rm -rf $(VENV)/fresh && $(PYTHON) -m venv $(VENV)/fresh
	$(VENV)/fresh/bin/python -m pip --quiet install torch==2.13.0 -e '.[$(ALL_EXTRAS)]' hatchling==1.33.0
	{ sed -n '/^#/p' constraints.txt; $(VENV)/fresh/bin/python -m pip freeze --exclude-editable | sed 's/+cpu$$//'; } > $(VENV)/pins
	mv $(VENV)/pins constraints.txt && rm -rf $(VENV)/fresh

clean:
	rm -rf $(VENV) dist

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/.run: pyproject.toml constraints.txt | $(VENV)/bin/python
	$(PIP) install -c constraints.txt -e '.[$(RUN_EXTRAS)]'
	touch $@

$(VENV)/.all: pyproject.toml constraints.txt | $(VENV)/bin/python
	$(PIP) install -c constraints.txt -e '.[$(ALL_EXTRAS)]'
	touch $(VENV)/.run $@

# elixir for the BEAM's side of the contract, promtool for the metrics page.
$(VENV)/.system: | $(VENV)/bin/python
	if ! { command -v elixir && command -v promtool; } > /dev/null; then
	  if command -v apt-get > /dev/null && [ "$$(id -u)" = 0 ]; then
	    export DEBIAN_FRONTEND=noninteractive
	    apt-get update -qq && apt-get install -y -qq --no-install-recommends elixir erlang-dev erlang-parsetools erlang-xmerl prometheus > $(VENV)/apt.log 2>&1 \
	      || { cat $(VENV)/apt.log; exit 1; }
	  else
	    echo "the tests need elixir (>= 1.14) and promtool; install them and try again" >&2; exit 1
	  fi
	fi
	touch $@
