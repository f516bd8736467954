# Needs git, make and Python 3.11 or newer; everything else is installed into .venv, checked against
# the hashes in requirements*.txt. `make help` lists what there is.

VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --no-input --quiet
INSTALL := $(PIP) install --require-hashes --only-binary :all:
COMPILE := $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
	--system-certs --custom-compile-command 'make lock'

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help run test test-slow test-staged test-chaos test-cluster test-real test-api lock-api fuzz bench bench-peers check lint types floors prose docs check-lock check-version check-wheels package image sbom \
	audit format lock dashboards tables tools clean

help: ## Say what each target does
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/\1|\2/p' Makefile | awk -F '|' '{ printf "%-12s %s\n", $$1, $$2 }'

run: $(VENV)/.installed ## Start the exporter against its own simulated providers
	@$(BIN)/inference-exporter demo $(ARGS)

test: $(VENV)/.installed-dev ## Run the tests; ARGS='-k name' to choose
	$(BIN)/pytest -n auto --dist worksteal $(ARGS)

test-slow: $(VENV)/.installed-dev ## Run the tests that wait for minutes in real time
	$(BIN)/pytest -m slow $(ARGS)

test-staged: $(VENV)/.installed-dev ## Stage one incident of each kind, and show what a real Alertmanager sends: a quarter of an hour
	$(BIN)/pytest -s -m staged $(ARGS)

test-cluster: $(VENV)/.installed-dev ## Run what needs a real Kubernetes API server (builds one: minutes the first time)
	tools/install-cluster
	$(BIN)/pytest -m cluster $(ARGS)

test-chaos: $(VENV)/.installed-dev ## Play every fault of a provider to the exporter
	$(BIN)/pytest tests/chaos tests/probing/test_hostile.py -m 'not slow' $(ARGS)

test-real: $(VENV)/.installed-dev ## Probe real inference servers (compiles one: minutes the first time)
	$(MAKE) -C tests/real

API := .venv-api
LOCK_API := tests/site/schemathesis/requirements

test-api: $(VENV)/.installed-dev ## Ask the HTTP server whatever its OpenAPI description allows, and what it does not
	@if $(MAKE) --no-print-directory $(API)/.installed; then \
	    SCHEMATHESIS=$(CURDIR)/$(API)/bin/st $(BIN)/pytest tests/site/test_openapi.py -m api $(ARGS); \
	else echo "== schemathesis cannot be installed here: the HTTP server was not asked" >&2; fi

lock-api: $(VENV)/.installed-dev ## Lock the environment of test-api
	cd $(dir $(LOCK_API)) && $(CURDIR)/$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
	    --system-certs --custom-compile-command 'make lock-api' --output-file requirements.txt requirements.in

$(API)/.installed: $(LOCK_API).txt
	$(BIN)/python -m venv --clear $(API)
	$(API)/bin/pip --disable-pip-version-check --quiet install --require-hashes --only-binary :all: -r $<
	@touch $@

fuzz: $(VENV)/.installed-dev ## Fuzz all that reads others' bytes; ARGS='--seconds 600 yaml' to choose
	$(BIN)/python -m tests.fuzz $(ARGS)

bench: $(VENV)/.installed-dev ## Measure how true the measurements are and what they cost
	$(BIN)/python -m benchmarks $(ARGS)

bench-peers: $(VENV)/.installed-dev ## Measure guidellm and aiperf beside ours (installs 1.8 GB)
	$(MAKE) -C benchmarks/peers

check: lint types floors prose docs check-lock check-version package ## Check everything but the tests

lint: $(VENV)/.installed-dev ## Check style and format
	$(BIN)/ruff check
	$(BIN)/ruff format --check

types: $(VENV)/.installed-dev ## Check types
	$(BIN)/mypy

floors: $(VENV)/.installed-dev ## Check that no room imports from a floor above it
	$(BIN)/lint-imports --no-logo

prose: $(VENV)/.installed-dev ## Check the words that people read
	$(BIN)/python -m tools.prose

docs: $(VENV)/.installed-dev ## Build the documentation as a site, with every link checked: build/site
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --quiet --strict

check-version: ## Check that everything which names the version names the same
	tools/check-version

# Says whether the locks were in step with pyproject.toml; afterwards they are.
check-lock: $(VENV)/.installed-dev ## Check that the locks match pyproject.toml
	@before=$$(cat requirements*.txt | cksum) && $(MAKE) --no-print-directory lock && \
	if [ "$$before" != "$$(cat requirements*.txt | cksum)" ]; then \
	    echo "The locks had fallen behind pyproject.toml: commit the renewed ones." >&2; exit 1; fi

package: $(VENV)/.installed-dev ## Build sdist and wheel, and try the wheel alone in a fresh environment
	rm -rf build/package
	$(BIN)/hatchling build --target sdist --directory build/package/dist
	$(PIP) wheel --no-deps --no-index --no-build-isolation --wheel-dir build/package/dist build/package/dist/*.tar.gz
	$(BIN)/twine check --strict build/package/dist/*
	$(BIN)/python -m venv build/package/venv
	build/package/venv/bin/pip install --quiet --require-hashes --only-binary :all: -r requirements.txt
	build/package/venv/bin/pip install --quiet --no-deps --no-index build/package/dist/*.whl
	cd build/package && venv/bin/inference-exporter --version && venv/bin/inference-exporter --help

# What Python installs must exist ready-made for every architecture of the image.
check-wheels: $(VENV)/.installed-dev ## Check that every locked package has a wheel for amd64 and arm64, also with musl
	for platform in x86_64-manylinux_2_28 aarch64-manylinux_2_28 x86_64-unknown-linux-musl aarch64-unknown-linux-musl; do \
	    for lock in requirements.txt requirements-azure.txt requirements-bedrock.txt requirements-push.txt; do \
	        $(BIN)/uv pip install --system-certs --quiet --dry-run --target build/wheels --require-hashes \
	            --only-binary :all: --python-version 3.13 --python-platform $$platform -r $$lock || exit 1; done; done

image: ## Build the image without a daemon, run it as a cluster would, and scrape it (needs root)
	tools/try-image

sbom: package ## Write the software bill of materials of what is installed: build/sbom.cdx.json
	$(BIN)/cyclonedx-py environment build/package/venv/bin/python --pyproject pyproject.toml \
	    --output-reproducible --output-file build/sbom.cdx.json

audit: $(VENV)/.installed-dev ## Ask the vulnerability database for what is installed (needs the Internet)
	for lock in requirements.txt requirements-azure.txt requirements-bedrock.txt requirements-push.txt; do \
	    $(BIN)/python tools/audit.py $(BIN)/pip-audit $$lock || exit 1; done

format: $(VENV)/.installed-dev ## Format the code and mend what can be mended
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

lock: $(VENV)/.installed-dev ## Bring the locks in step with pyproject.toml; UPGRADE=--upgrade renews all
	$(COMPILE) $(UPGRADE) --group build --output-file requirements-build.txt
	$(COMPILE) $(UPGRADE) pyproject.toml --output-file requirements.txt
	$(COMPILE) $(UPGRADE) pyproject.toml --extra azure --output-file requirements-azure.txt \
	    --constraint requirements.txt
	$(COMPILE) $(UPGRADE) pyproject.toml --extra bedrock --output-file requirements-bedrock.txt \
	    --constraint requirements-azure.txt
	$(COMPILE) $(UPGRADE) pyproject.toml --extra push --output-file requirements-push.txt \
	    --constraint requirements-azure.txt --constraint requirements-bedrock.txt
	$(COMPILE) $(UPGRADE) pyproject.toml --group dev --output-file requirements-dev.txt \
	    --constraint requirements-azure.txt --constraint requirements-bedrock.txt \
	    --constraint requirements-push.txt --constraint requirements-build.txt

dashboards: $(VENV)/.installed-dev ## Build the dashboards and the Prometheus operator's rules
	$(BIN)/python -m dashboards

tables: $(VENV)/.installed-dev ## Write the tables of the documentation that follow from the code
	$(BIN)/python -m tools.tables

tools: ## Build the outside programs that integration tests run (needs Go)
	tools/install-tools

clean: ## Remove all that make and the tools have made
	rm -rf $(VENV) $(API) .venv-real .venv-peers .tools build dist
	rm -rf .hypothesis .mypy_cache .pytest_cache .ruff_cache
	find exporter tests dashboards benchmarks -name __pycache__ -exec rm -rf {} +

$(VENV)/.installed: requirements.txt requirements-build.txt pyproject.toml
	@python=$$(tools/find-python) && { [ -x $(BIN)/python ] || "$$python" -m venv --clear $(VENV); }
	$(INSTALL) -r requirements.txt -r requirements-build.txt
	$(PIP) install --no-deps --no-index --no-build-isolation --editable .
	@touch $@

$(VENV)/.installed-dev: $(VENV)/.installed requirements-dev.txt
	$(INSTALL) -r requirements-dev.txt
	@touch $@
