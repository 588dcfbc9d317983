# Every target installs what it needs, is quiet on success, and fails loudly.
SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DELETE_ON_ERROR:
.ONESHELL:
MAKEFLAGS += --no-print-directory
.SILENT:
.PHONY: run test check lint types docs bench faults attack soak proto release-contract constraints clean

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --quiet --disable-pip-version-check
# What every command of the README needs; onnx and optuna are 11 MB of its downloads (docs/LOG.md).
RUN_EXTRAS := db,train,embed,report,onnx,optuna
ALL_EXTRAS := $(RUN_EXTRAS),cuda,ray,dev

run: $(VENV)/.run ## install, start the embedded database, run a PAC training cycle on the digits
	echo "a training cycle of PAC demo on the handwritten digits: check, shortlist, search, score, verdict, promotion"
	$(BIN)/cerebros-bridge cycle examples/digits.toml --pac demo

test: $(VENV)/.all $(VENV)/.system ## all tests, on real databases, servers and BEAMs; two files at a time
	$(BIN)/python -m pytest -n 2 --dist loadfile

check: lint types ## everything that needs no run of the program

# buf breaking: what a client built against proto/baseline.binpb relies on must stay. The baseline is the contract of
# the last release; `make release-contract` moves it on, with the release and never with a change.
lint: $(VENV)/.all $(VENV)/.system
	$(BIN)/ruff check --quiet .
	$(BIN)/ruff format --check --quiet .
	$(BIN)/lint-imports > $(VENV)/imports.log || { cat $(VENV)/imports.log; exit 1; }
	$(BIN)/buf lint
	$(BIN)/buf breaking --against proto/baseline.binpb
	cd priv/elixir && MIX_ENV=test mix lint > ../../$(VENV)/mix.log 2>&1 || { cat ../../$(VENV)/mix.log; exit 1; }
	echo "lint: passed"

types: $(VENV)/.all
	$(BIN)/mypy

# A file of bridge/pb imports another one from where proto/ has it; in Python that name is our core's.
proto: $(VENV)/.all ## comments of proto/ and the Elixir client's tables from the contract; bridge/pb from proto/
	$(BIN)/python -m bridge.cli.proto_comments
	$(BIN)/buf lint
	rm -f bridge/pb/cerebros/v1/*_pb2.py*
	$(BIN)/python -m grpc_tools.protoc -Iproto --python_out=bridge/pb --pyi_out=bridge/pb proto/cerebros/v1/*.proto
	sed -i.old 's/^from cerebros\.v1 import/from bridge.pb.cerebros.v1 import/' bridge/pb/cerebros/v1/*_pb2.py*
	rm bridge/pb/cerebros/v1/*.old
	$(BIN)/buf build --exclude-source-info -o priv/elixir/priv/contract.binpb
	$(BIN)/python -m bridge.cli.elixir_tables
	echo "proto: proto/, bridge/pb and the tables of the Elixir client are up to date"

release-contract: $(VENV)/.all ## what buf breaking compares with becomes the contract of now
	$(BIN)/buf build --exclude-source-info -o proto/baseline.binpb

docs: $(VENV)/.all ## the reference manual, the manifest format as JSON Schema, the table of settings, and links that lead somewhere
	$(BIN)/python -m bridge.cli.reference docs/reference.md
	$(BIN)/cerebros-bridge dataset schema | $(BIN)/python -m json.tool > docs/manifest.schema.json
	$(BIN)/python -m bridge.cli.settings_table README.md
	$(BIN)/python -m tests.grid_graphql.test_schema > $(VENV)/schema.graphql
	mv $(VENV)/schema.graphql tests/grid_graphql/schema.graphql
	$(BIN)/python -m pytest tests/test_docs.py

bench: $(VENV)/.all ## every bench, each with its peer or limit from the same run
	for bench in bench/bench_*.py; do $(BIN)/python $$bench; done

bench-%: $(VENV)/.all
	$(BIN)/python bench/bench_$*.py

# A BEAM owns the programs that bench-beam times.
bench bench-beam: $(VENV)/.system

faults: $(VENV)/.all $(VENV)/.system ## everything that can be killed, frozen, filled or spoilt, with a control for each guard
	$(BIN)/python -m tests.faults

attack: $(VENV)/.all $(VENV)/.system ## what strangers may try over HTTP, GraphQL, gRPC, a port and with files, on a running service
	$(BIN)/python -m tests.attacks

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
	echo "installing the bridge and what it needs into $(VENV); the first time takes a minute or two"
	$(PIP) install -c constraints.txt -e '.[$(RUN_EXTRAS)]'
	touch $@

$(VENV)/.all: pyproject.toml constraints.txt | $(VENV)/bin/python
	echo "installing the bridge, its extras and the tools of its tests into $(VENV); the first time takes a few minutes"
	$(PIP) install -c constraints.txt -e '.[$(ALL_EXTRAS)]'
	touch $(VENV)/.run $@

# elixir for the BEAM's side of the contract, promtool for the metrics page, gun and cowlib for the Elixir client's gRPC
# adapter: Debian's rabbitmq-server carries them compiled; it is only unpacked, no service is started.
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
	if ! ERL_LIBS=$(VENV)/beam:$${ERL_LIBS:-} elixir -e 'Code.ensure_loaded?(:gun) || System.halt(1)'; then
	  rm -rf $(VENV)/deb && mkdir -p $(VENV)/deb/root $(VENV)/beam
	  if ! (cd $(VENV)/deb && apt-get update -qq && apt-get download -qq rabbitmq-server && dpkg-deb -x rabbitmq-server*.deb root) > $(VENV)/apt.log 2>&1; then
	    cat $(VENV)/apt.log
	    echo "the gRPC tests need gun (1.3) and cowlib; put them into ERL_LIBS and try again" >&2; exit 1
	  fi
	  cp -r $(VENV)/deb/root/usr/lib/rabbitmq/lib/rabbitmq_server-*/plugins/{gun,cowlib}-* $(VENV)/beam/
	  rm -rf $(VENV)/deb
	fi
	touch $@
