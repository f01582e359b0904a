# Everything runs in .venv, which is made from the locked, hashed versions.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

.DEFAULT_GOAL := help
.PHONY: help demo test differential lint soak mutants bench format metrics-docs config-docs kubernetes-rules dashboards dashboard-previews dist lock clean

help:  ## list what can be made
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 20

$(READY): requirements-dev.lock pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "softswitch-exporter needs Python 3.11 or newer: make PYTHON=python3.11")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.lock
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	touch $(READY)

demo: $(READY)  ## run the exporter against the bundled simulated switch
	$(BIN)/softswitch-exporter demo

test: lint  ## run all checks and tests
	$(BIN)/pytest --numprocesses=2 --dist=loadfile

differential: $(READY)  ## compare the daemon with the rules of each Prometheus on a thousand random scenarios
	$(BIN)/python -m tests.differential

lint: $(READY)  ## check style, types, architecture, wording and dependencies
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/codespell
	$(BIN)/python -m tests.prose
	$(BIN)/python -m tests.audit

soak: $(READY)  ## live an hour with 5,000 tenants and faults, in some minutes
	$(BIN)/python -m tests.e2e.soak

mutants: $(READY)  ## change the deciding modules at many places, and see that tests notice
	$(BIN)/python -m tests.code_mutants

format: $(READY)  ## mend style where a tool can
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(READY)  ## measure the exporter against its peers: some 20 minutes, 4 GB of memory
	$(BIN)/python -m benchmarks

metrics-docs: $(READY)  ## write docs/metrics.md from the catalogue
	$(BIN)/python -m tests.metrics_docs > docs/metrics.md

config-docs: $(READY)  ## write docs/configuration.md from the schema
	$(BIN)/python -m tests.config_docs > docs/configuration.md

kubernetes-rules: $(READY)  ## write alerts/kubernetes/prometheusrule.yaml from the rules
	$(BIN)/python alerts/kubernetes/generate.py > alerts/kubernetes/prometheusrule.yaml

dashboards: $(READY)  ## write grafana/dashboards/ from their source
	$(BIN)/python -m grafana.generate

dashboard-previews: $(READY)  ## draw docs/images/ from a real Prometheus, in 4 minutes
	$(BIN)/python -m tests.e2e.dashboard_previews

dist: $(READY)  ## build sdist and wheel into dist/
	rm -rf dist
	$(BIN)/uv build --quiet --offline --no-build-isolation --python $(BIN)/python

lock: $(READY)  ## choose the newest versions anew and write the lock files
	$(BIN)/uv pip compile --quiet --upgrade --universal --generate-hashes --no-emit-index-url --no-header --python-version 3.11 pyproject.toml -o requirements.lock
	$(BIN)/uv pip compile --quiet --upgrade --universal --generate-hashes --no-emit-index-url --no-header --python-version 3.11 --constraint requirements.lock --group dev pyproject.toml -o requirements-dev.lock
	echo hatchling | $(BIN)/uv pip compile --quiet --upgrade --universal --generate-hashes --no-emit-index-url --no-header --python-version 3.11 --constraint requirements-dev.lock - -o requirements-build.lock

clean:  ## remove what the other commands made
	rm -rf $(VENV) dist build .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
