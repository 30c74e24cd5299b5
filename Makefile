# Needs a Rust toolchain, Python 3.10 or later, make, curl. Everything else goes into .local/.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help

PYTHON ?= python3
STACK := $(PYTHON) infra/local/stack.py
TOOLS := .local/venv-tools/bin
KEEP ?=
F ?=
DATA ?=
STAGE ?=
POLICY ?=

.PHONY: help
help: ## List what can be made
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-8s %s\n", $$1, $$2}' $(MAKEFILE_LIST)
	@echo
	@echo "  HABEAS_PORT=4599 HABEAS_USERS=40 HABEAS_SEED=1 HABEAS_HEAVY_ROWS=2000 choose the local stack's port and people."
	@echo "  HABEAS_POSTGRES=/usr/lib/postgresql/17/bin chooses the PostgreSQL, HABEAS_POSTGRES=wheel the one from PyPI."

.PHONY: demo
demo: ## Play one whole story for each policy on a local stack (KEEP=1 leaves it up)
	@$(STACK) demo $(if $(KEEP),--keep)

.PHONY: test
test: ## Test everything: in-process, then against a local stack with IAM enforced
	@$(STACK) test

.PHONY: quick
quick: ## Test in-process only, with a PostgreSQL (F=name for some tests)
	@$(STACK) quick --filter '$(F)'

.PHONY: bench
bench: ## Measure the handlers against real stores; figures go to .local/bench.json
	@$(PYTHON) infra/local/bench.py

.PHONY: bench-peers
bench-peers: ## The same, after installing and timing the peers on the same machine (needs redis-server; about 1 GB)
	@$(PYTHON) infra/local/bench.py --peers

.PHONY: up
up: ## Start the local stack and deploy both policies to it
	@$(STACK) up

.PHONY: down
down: ## Stop the local stack
	@$(STACK) down

.PHONY: logs
logs: ## Print the functions' and PostgreSQL's logs (F=export-data or F=postgres for one)
	@$(STACK) logs --function '$(F)'

.PHONY: lambda
lambda: ## Run one function once, with cargo lambda: make lambda F=submit-request DATA=tests/events/submit-request.json
	@$(PYTHON) infra/local/lambda_check.py --function '$(F)' --data '$(DATA)' --policy '$(POLICY)'

.PHONY: lint
lint: lint-rust lint-template lint-deny ## Check format, lints, template, dependencies

.PHONY: lint-rust
lint-rust:
	cargo fmt --all --check
	cargo clippy --workspace --all-targets -- -D warnings

.PHONY: lint-template
lint-template:
	@$(STACK) tools
	$(TOOLS)/cfn-lint template.yaml
	@AWS_DEFAULT_REGION=us-east-1 SAM_CLI_TELEMETRY=0 $(TOOLS)/sam validate --lint --template template.yaml

.PHONY: lint-deny
lint-deny:
	@infra/local/deny.sh

.PHONY: deploy
deploy: ## Deploy to AWS: make deploy STAGE=prod POLICY=policies/yallo
	@$(PYTHON) infra/deploy.py --stage '$(STAGE)' --policy '$(POLICY)'
