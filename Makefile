# yibao-gateway. `make help` lists the targets; python3 >= 3.11 with its venv module is all that must be there.
SHELL   := /bin/sh
PYTHON  ?= python3
VENV    ?= .venv
BIN     := $(VENV)/bin
LOCK    := .ci/lock
export PIP_DISABLE_PIP_VERSION_CHECK = 1
# the tests start some hundred processes; each would compile everything again
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help run demo test check interop test-all simulate simulated-coverage mutants fuzz bench bench-catalogs bench-search bench-console day lock wheel clean screenshots

help: ## this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | awk -F':.*## ' '{printf "  make %-18s %s\n", $$1, $$2}'

run: $(VENV)/.run ## simulator, gateway and the demo stay on this machine; serves until Ctrl-C
	@$(BIN)/yibao demo --keep

demo: $(VENV)/.run ## the same, but stops; exit 0 only if every step had the outcome it should
	@$(BIN)/yibao demo

WORKERS ?= 3
test: $(VENV)/.dev ## the tests: real PostgreSQL, real SOAP clients, real processes
	$(BIN)/pytest -n $(WORKERS) --dist worksteal

check: $(VENV)/.dev ## ruff, mypy, import floors, drift of the published contract and of generated documents
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/yibao wsdl check
	$(BIN)/yibao mapping check
	$(BIN)/yibao faults --check docs/using/fault-codes.md
	$(BIN)/yibao transactions --check docs/using/transactions.md

interop: $(VENV)/.dev ## SOAP clients of other languages from Debian's packages (as root)
	sh tests/interop/run.sh $(BIN)/pytest

screenshots: $(VENV)/.dev ## pictures of the console for the README and the manual, into docs/zh/pictures (needs Chromium)
	$(BIN)/python -m tests.interop.pictures

SEED ?= 1
N    ?= 20000
simulate: $(VENV)/.dev ## crashes, lost answers, clock steps ... from a seed: SEED=1 N=20000 JOBS=1 RESUME=file
	$(BIN)/python -m tests.simulation --seed $(SEED) --n $(N) $(if $(JOBS),--jobs $(JOBS)) $(if $(RESUME),--resume $(RESUME))

simulated-coverage: $(VENV)/.dev ## lines of gateway/exchange that the simulation alone reaches: 95 % at least
	@mkdir -p var
	$(BIN)/coverage run --data-file=var/simulated.coverage --source=gateway/exchange -m tests.simulation --n 20000
	$(BIN)/coverage report --data-file=var/simulated.coverage --omit='*fakes.py,*/fake_platform.py' --fail-under=95

mutants: $(VENV)/.dev ## one safeguard after another taken away; fails if the simulation does not notice one of them
	$(BIN)/python -m tests.simulation.mutants

fuzz: $(VENV)/.dev ## a longer fuzz run over the ways in
	YIBAO_FUZZ_EXAMPLES=3000 $(BIN)/pytest tests/hostile -k fuzz --timeout 1800

test-all: ## everything, on every supported Python that is here
	sh .ci/test-all

bench: $(VENV)/.dev ## cost by step, the façade beside gSOAP, Java, Node, spyne, whole exchanges beside a floor, 500 in flight
	$(BIN)/python -m bench
	$(BIN)/python -m bench.peers
	$(BIN)/python -m bench.durable
	$(BIN)/python -m bench.waiting

bench-catalogs: $(VENV)/.dev ## half a million records of 1306 imported, then updated, on SQLite and PostgreSQL
	$(BIN)/python -m bench.catalogs

ROWS ?= 10000000
bench-search: $(VENV)/.dev ## every search over a large journal on PostgreSQL, cold and warm: ROWS=10000000 FOLDER=data
	$(BIN)/python -m bench.search --rows $(ROWS) $(if $(FOLDER),--folder $(FOLDER))

bench-console: $(VENV)/.dev ## every page of the console over a large journal and 5,000 patients, with plans: FOLDER=data ROWS=1000000
	$(BIN)/python -m bench.console $(if $(filter-out 10000000,$(ROWS)),--rows $(ROWS)) $(if $(FOLDER),--folder $(FOLDER))

day: $(VENV)/.dev ## a recorded day: 300 stays and 3,000 visits from sync to reconciliation, then 20 planted differences: SEED=1
	$(BIN)/python -m tests.day --seed $(SEED)

lock: ## renew the locked dependencies (needs uv)
	uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-header --no-emit-index-url \
	  --no-emit-find-links pyproject.toml -o $(LOCK)/run.txt
	uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-header --no-emit-index-url \
	  --no-emit-find-links pyproject.toml --group test --group check -o $(LOCK)/dev.txt

wheel: $(VENV)/.dev ## build the wheel and run the demo from it in an empty environment
	sh .ci/wheel-demo $(PYTHON)

clean: ## remove the environment and what runs left behind
	rm -rf $(VENV) .venvs dist build var

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo "Python >= 3.11 is needed; name one with PYTHON=..."; exit 1; }
	@$(PYTHON) -m venv $(VENV) \
	  || { echo "the venv module is missing (Debian: apt-get install python3-venv)"; exit 1; }

$(VENV)/.run: $(VENV)/bin/python pyproject.toml $(LOCK)/run.txt
	@echo "installing (once, a minute or two) ..."
	@$(BIN)/pip install -q --require-hashes -r $(LOCK)/run.txt
	@$(BIN)/pip install -q --no-deps -e .
	@touch $@

$(VENV)/.dev: $(VENV)/.run $(LOCK)/dev.txt
	@echo "installing what the tests need ..."
	@$(BIN)/pip install -q --require-hashes -r $(LOCK)/dev.txt
	@touch $@
