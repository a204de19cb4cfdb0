# Every target sets up what it needs by itself. `make` alone lists them.
SHELL := /bin/bash
VENV := .venv/bin
ARGS ?=

.PHONY: help up down test unit lint contracts bench clean
help: ## this list
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

up: ## a whole network on this machine, then three verified answers (ARGS="--replace --fault wrong-result@2" to watch a liar)
	@tools/setup run
	@$(VENV)/mlbridge up --detach --demo $(ARGS)

down: ## stop that network
	@$(VENV)/mlbridge down

test: ## everything: lint, types, contracts, unit, integration, adversarial
	@tools/setup test
	@tools/test all

unit: ## unit tests only: about two minutes
	@tools/setup test
	@tools/test unit

lint: ## style, types, import direction
	@tools/setup test
	@tools/test lint

contracts: ## forge tests, gas snapshot, ABI drift
	@tools/setup test
	@tools/test contracts

bench: ## the direct lane against the same Serve deployment called directly; needs a running network (make up)
	@tools/setup test
	@$(VENV)/python -m benchmarks.direct_lane

clean: ## stop the network and forget its state
	@$(VENV)/mlbridge reset --yes
