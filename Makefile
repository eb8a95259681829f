# Every command of a developer's day. `make help` lists them; CONTRIBUTING.md explains them.

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help

PYTHON ?= python3
REGNANT_CACHE ?= $(HOME)/.cache/regnant
export REGNANT_CACHE
# ONNX Runtime reports its use to its maker unless it is told not to.
export ORT_DISABLE_TELEMETRY := 1

BIN := .venv/bin
UV := $(REGNANT_CACHE)/uv/bin/uv
CLUSTER := $(PYTHON) -m e2e.cluster
PYTEST := $(BIN)/pytest
# How many modules of end-to-end tests run at a time, but for those that run alone. Two cores are
# too few for two: what is not a test's subject comes late then, and some tests go by time.
WORKERS ?= $(shell test $$(nproc) -ge 4 && echo 2 || echo 0)
# What ran is kept by suite, so that `make test` can add the suites up.
COVER := --cov --cov-report=

.PHONY: help
help: ## Show this list
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / {printf "  \033[1m%-12s\033[0m %s\n", $$1, $$2}' Makefile

.PHONY: venv
venv: .venv/.current ## Make .venv with everything that is locked in uv.lock

$(UV):
	@$(PYTHON) -m venv $(REGNANT_CACHE)/uv 2>/dev/null \
	  || { apt-get -qq update && apt-get -qq install -y python3-venv && $(PYTHON) -m venv --clear $(REGNANT_CACHE)/uv; }
	@$(REGNANT_CACHE)/uv/bin/pip install --quiet uv

.venv/.current: uv.lock pyproject.toml | $(UV)
	@echo "make: .venv from uv.lock"
	@$(UV) sync --quiet --frozen --all-extras --python $(PYTHON)
	@touch $@

.PHONY: demo
demo: up ## The main job, told step by step on a real cluster
	@$(BIN)/python -m e2e.demo

.PHONY: test
test: lint unit component coverage e2e ## Everything that CI runs

.PHONY: lint
lint: venv ## Format, lint, types, import contracts, generated files
	@$(BIN)/ruff format --check --quiet .
	@$(BIN)/ruff check --quiet .
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-cache | grep -E 'BROKEN|Contracts:'
	@$(BIN)/python crds/generate.py --check
	@$(BIN)/python charts/generate.py --check

.PHONY: unit
unit: venv ## Pure and fast tests (K=pattern chooses)
	@COVERAGE_FILE=.coverage.unit $(PYTEST) tests/unit --numprocesses=auto --dist=loadfile $(COVER) $(if $(K),-k "$(K)")

.PHONY: component
component: venv ## Tests against a real API server, without a node (K=pattern chooses)
	@COVERAGE_FILE=.coverage.component $(PYTEST) tests/component --numprocesses=2 --dist=loadfile $(COVER) $(if $(K),-k "$(K)")

.PHONY: e2e
e2e: up ## Tests on the full cluster (K=pattern chooses, WORKERS=n runs n modules at a time)
	@$(PYTEST) e2e --timeout=900 --numprocesses=$(WORKERS) --dist=loadfile --no-loadscope-reorder --durations=15 $(if $(K),-k "$(K)")

.PHONY: coverage
coverage: venv ## What unit and component tests together covered, held to its limits
	@$(BIN)/coverage combine --quiet --keep .coverage.unit* .coverage.component*
	@$(BIN)/coverage report --include='operator/regnant/api/*,operator/regnant/lifecycle/*,operator/regnant/manifests/*,operator/regnant/evidence/*' --fail-under=100
	@echo "covered by unit and component tests: $$($(BIN)/coverage report --fail-under=90 --format=total) %"

.PHONY: up
up: venv ## Start the local cluster and bring the images up to date
	@$(if $(KUBE_CONTEXT),echo "using the context $(KUBE_CONTEXT)",$(CLUSTER) up --images)

.PHONY: down
down: ## End the local cluster and remove all that it made
	@$(CLUSTER) down

.PHONY: status
status: ## What runs on the local cluster
	@$(CLUSTER) status

.PHONY: images
images: ## Build the images; IMAGE_PREFIX=REGISTRY/PATH PUSH=1 pushes them
	@$(if $(PUSH),$(if $(IMAGE_PREFIX),,$(error PUSH=1 needs IMAGE_PREFIX=REGISTRY/PATH to push to)))
	@$(CLUSTER) images $(if $(PUSH),--push --prefix $(IMAGE_PREFIX))

.PHONY: run
run: up ## Run the operator from this checkout against the cluster, with readable logs
	@$(BIN)/python -m e2e.run

.PHONY: generate
generate: venv ## Write the CRDs, the plain manifest and the reference from the code
	@$(BIN)/python crds/generate.py
	@$(BIN)/python charts/generate.py

.PHONY: bench
bench: up ## Measure what docs/benchmarks.md records
	@$(BIN)/python -m e2e.bench

.PHONY: format
format: venv ## Format the code and repair what lint can repair
	@$(BIN)/ruff format --quiet .
	@$(BIN)/ruff check --quiet --fix .
