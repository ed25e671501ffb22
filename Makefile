# Visionloop. `make help` lists what there is to do.
PYTHON ?= python3
VENV := .venv
ENVIRONMENTS := airflow data torch mlflow cli
SOURCES := plugins dags include tasks cli images benchmarks tests

.DEFAULT_GOAL := check
.PHONY: check help demo up down backup restore setup setup-dev lint test images lock

check: lint test  ## lint and test (what CI runs)

help:  ## this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /\1|/' | awk -F'|' '{printf "  make %-10s %s\n", $$1, $$2}'

setup:
	@$(PYTHON) images/install.py $(ENVIRONMENTS)

setup-dev:
	@$(PYTHON) images/install.py $(ENVIRONMENTS) --with dev
	@$(PYTHON) images/install.py dvc label_studio compose

demo: setup  ## run the whole loop on real images, leave the Airflow and MLflow UIs open
	@./visionloop demo

up:  ## start the team's stack in docker compose, and wait until it is healthy: docs/compose.md
	@$(PYTHON) images/install.py cli
	@./visionloop team up

down:  ## stop it; data stays in its volumes (the embedded stack of `make demo`: ./visionloop down)
	@./visionloop team down

backup:  ## copy the stack's databases, cards and ledgers into backups/, while it runs: docs/backup.md
	@./visionloop backup $(TO)

restore:  ## put BACKUP=backups/… into a stopped stack (FORCE=1: into one that is not empty)
	@./visionloop restore $(BACKUP) $(if $(FORCE),--force)

images:  ## build the step images for VISIONLOOP_RUNTIME=docker (BASE_IMAGE=… to build on another base)
	@$(PYTHON) images/build.py

lock:  ## write images/*/requirements.lock again from requirements.txt
	@images/lock.sh

lint: setup-dev  ## ruff, mypy --strict, import walls
	@$(VENV)/cli/bin/ruff check $(SOURCES)
	@$(VENV)/cli/bin/ruff format --check $(SOURCES)
	@tests/types.sh

test: setup-dev  ## all tests that this machine can run
	@tests/run.sh
