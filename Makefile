# Everything runs in .venv, which is installed from hashed lock files: the program first, and the development tools with
# the first target that needs them.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PROGRAM := $(VENV)/.program
READY := $(VENV)/.ready
# Whatever is built has the time of the commit.
export SOURCE_DATE_EPOCH ?= $(shell git log -1 --format=%ct 2>/dev/null || echo 0)
PIP := $(BIN)/pip --quiet --disable-pip-version-check

.DEFAULT_GOAL := help
.PHONY: help demo test differential lint soak mutants bench format metrics-docs config-docs config-schema rules dashboards helm-docs dashboard-previews dist deb sbom lock clean

help:  ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 20

# For a quick start, pip is not installed if the one of $(PYTHON) can install elsewhere, and the program runs from the clone.
$(PROGRAM): requirements.lock
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "softswitch-exporter needs Python 3.11 or newer: make PYTHON=python3.11")'
	$(PYTHON) -m venv --without-pip $(VENV)
	pip="$(PYTHON) -m pip --python $(BIN)/python"; \
	$(PYTHON) -c 'import pip; assert int(pip.__version__.split(".")[0]) >= 23' 2>/dev/null || \
	{ $(BIN)/python -m ensurepip >/dev/null && pip="$(BIN)/python -m pip"; } && \
	$$pip --quiet --disable-pip-version-check install --no-compile --require-hashes -r requirements.lock
	$(PYTHON) -c 'import os, shlex, sys; print("#!/bin/sh\nPYTHONPATH=%s exec %s -P -m exporter \"$$@\"" % tuple(shlex.quote(os.path.abspath(path)) for path in sys.argv[1:]))' \
	. $(BIN)/python > $(BIN)/softswitch-exporter
	chmod +x $(BIN)/softswitch-exporter
	touch $(PROGRAM)

$(READY): $(PROGRAM) requirements-dev.lock pyproject.toml
	test -e $(BIN)/pip || $(BIN)/python -m ensurepip --default-pip >/dev/null
	$(PIP) install --require-hashes -r requirements-dev.lock
	$(PIP) install --no-deps --no-build-isolation --editable .
	touch $(READY)

demo: $(PROGRAM)  ## run the exporter against the bundled simulated switch
	$(BIN)/softswitch-exporter demo $(FLAGS)

# More workers than processors: tests wait for programs and timers more than they compute. xdist would start the files with
# the fewest tests last, and those take the longest: the order is that of tests/conftest.py.
test: lint  ## run all checks and tests
	$(BIN)/pytest --numprocesses=5 --dist=loadfile --no-loadscope-reorder

differential: $(READY)  ## compare the daemon with Prometheus in a thousand random scenarios
	$(BIN)/python -m tests.differential

lint: $(READY)  ## check style, types, architecture, wording and dependencies
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/zizmor --offline --quiet --persona=pedantic --min-severity=low .github
	$(BIN)/codespell
	$(BIN)/python -m tests.prose
	$(BIN)/python -m tests.audit

soak: $(READY)  ## simulate an hour with 5,000 tenants and faults, in a few minutes
	$(BIN)/python -m tests.e2e.soak

mutants: $(READY)  ## run mutation tests of the core modules and the alerting rules
	$(BIN)/python -m tests.code_mutants
	$(BIN)/python -m tests.rule_mutants

format: $(READY)  ## fix style automatically
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(READY)  ## compare the exporter's performance with its peers: 20 minutes, 4 GB of memory
	$(BIN)/python -m benchmarks

metrics-docs: $(READY)  ## generate docs/metrics.md from the catalogue
	$(BIN)/python -m tests.metrics_docs > docs/metrics.new
	mv docs/metrics.new docs/metrics.md

config-docs: $(READY)  ## generate docs/configuration.md from the schema
	$(BIN)/python -m tests.config_docs > docs/configuration.new
	mv docs/configuration.new docs/configuration.md

config-schema: $(READY)  ## generate config.schema.json from the schema of the configuration
	$(BIN)/softswitch-exporter --config.schema > config.schema.new
	mv config.schema.new config.schema.json

rules: $(READY)  ## generate alerts/kubernetes/, mixin/rules.json and the copy of the Helm chart from the rules
	$(BIN)/softswitch-exporter rules --format=prometheusrule > alerts/kubernetes/prometheusrule.yaml
	$(BIN)/softswitch-exporter rules --format=json > mixin/rules.json
	$(BIN)/softswitch-exporter rules > deploy/helm/softswitch-exporter/files/rules.yaml

dashboards: $(READY)  ## generate grafana/dashboards/ and the copies of the Helm chart
	$(BIN)/python -m grafana.generate

helm-docs: $(READY)  ## generate the values in the README.md of the Helm chart
	$(BIN)/python -m tests.helm_docs > deploy/helm/softswitch-exporter/README.new
	mv deploy/helm/softswitch-exporter/README.new deploy/helm/softswitch-exporter/README.md

dashboard-previews: $(READY)  ## draw docs/images/ with a real Prometheus: 4 minutes
	$(BIN)/python -m tests.e2e.dashboard_previews

dist: $(READY)  ## build sdist and wheel into dist/
	rm -rf dist
	$(BIN)/uv build --quiet --offline --no-build-isolation --python $(BIN)/python

deb: dist  ## build the Debian package into dist/, for the Python of .venv
	$(BIN)/python -m deploy.debian.build

sbom: $(READY)  ## list the contents of the image for this Python in dist/, as CycloneDX
	rm -rf build/sbom
	$(BIN)/python -m venv --without-pip build/sbom
	$(BIN)/pip --python build/sbom/bin/python install --quiet --disable-pip-version-check --no-compile --require-hashes -r requirements-kubernetes.lock
	mkdir -p dist
	$(BIN)/cyclonedx-py environment --pyproject pyproject.toml --output-reproducible --output-file dist/softswitch-exporter.cdx.json build/sbom/bin/python

lock: $(READY)  ## update the lock files to the newest versions
	$(BIN)/uv pip compile --quiet --upgrade --universal --generate-hashes --no-emit-index-url --no-header --python-version 3.11 pyproject.toml -o requirements.lock
	$(BIN)/uv pip compile --quiet --upgrade --universal --generate-hashes --no-emit-index-url --no-header --python-version 3.11 --constraint requirements.lock --extra kubernetes pyproject.toml -o requirements-kubernetes.lock
	$(BIN)/uv pip compile --quiet --upgrade --universal --generate-hashes --no-emit-index-url --no-header --python-version 3.11 --constraint requirements-kubernetes.lock --extra kubernetes --group dev pyproject.toml -o requirements-dev.lock
	echo hatchling | $(BIN)/uv pip compile --quiet --upgrade --universal --generate-hashes --no-emit-index-url --no-header --python-version 3.11 --constraint requirements-dev.lock - -o requirements-build.lock
	echo cyclonedx-bom | $(BIN)/uv pip compile --quiet --upgrade --universal --generate-hashes --no-emit-index-url --no-header --python-version 3.11 --constraint requirements-dev.lock - -o requirements-sbom.lock

clean:  ## remove everything that the other targets created
	rm -rf $(VENV) dist build .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
