# What people and CI call. Every target is quiet, shows its steps, and may be repeated.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory
BIN := .venv/bin
# ARGS go to the program of the target: make run ARGS="--help", make test ARGS=tests/storage
ARGS ?=
# Test processes, each with servers of its own: measured on two cores, a third faster than one.
JOBS ?= 2
# make bench: only the cases whose name this regular expression is found in; FLAME=1 draws a flame graph of them.
ONLY ?=
FLAME ?=
# make soak, make torture: how long.
MINUTES ?= 10

# What the tests use: servers, a hypervisor, what builds libvirt's binding, and systemd-analyze.
PACKAGES := python3-venv curl rabbitmq-server postgresql mariadb-server prometheus systemd \
    libvirt-dev pkg-config gcc libc6-dev python3-dev \
    libvirt-daemon libvirt-daemon-driver-qemu qemu-system-x86 qemu-utils iproute2

.PHONY: help run test bench soak torture peers check lint format pins wheel

help:
	@echo "make run      install into .venv and start the whole program here (Ctrl-C ends it)"
	@echo "make test     install what the tests need, then check and test everything"
	@echo "make bench    measure against what the machine can do (ONLY=regex: some of it; FLAME=1: where time goes)"
	@echo "make soak     days of a small cloud through broker, collector and database (MINUTES=10): memory and answers"
	@echo "make torture  kill what stores and maintains at random, on every database (MINUTES=10), and feed it poison"
	@echo "make peers    ask Ceilometer 27 about every recorded notification, and Ceilometer 9's API, and compare"
	@echo "make lint     only style, types and architecture"
	@echo "make format   let ruff lay out the code"
	@echo "make pins     pin the newest dependencies pyproject.toml allows, with hashes"
	@echo "make wheel    build the wheel into dist/"

run:
	@.ci/environment run
	@exec $(BIN)/nephometer up $(ARGS)

test:
	@.ci/packages $(PACKAGES)
	@.ci/environment test
	@$(MAKE) check
	@echo "tests"
	@$(BIN)/python -m pytest -q -n $(JOBS) --dist loadfile $(ARGS)

bench:
	@.ci/packages $(PACKAGES)
	@.ci/environment test
	@.ci/peers agent
	@mkdir -p bench/out
	@$(if $(FLAME),$(BIN)/py-spy record --subprocesses --nonblocking --output bench/out/flame.svg -- )\
	    $(BIN)/python -m bench --only '$(ONLY)' $(ARGS)

soak:
	@.ci/packages $(PACKAGES)
	@.ci/environment test
	@$(BIN)/python -m tests.torture.soak --minutes $(MINUTES) $(ARGS)

torture:
	@.ci/packages $(PACKAGES)
	@.ci/environment test
	@$(BIN)/python -m tests.torture.kills --minutes $(MINUTES) $(ARGS)
	@$(BIN)/python -m tests.torture.collectors
	@$(BIN)/python -m tests.torture.collectors --victims both
	@$(BIN)/python -m tests.torture.poisoned

peers:
	@.ci/packages $(PACKAGES)
	@.ci/environment test
	@.ci/peers
	@$(BIN)/python -m tests.peers.record
	@$(BIN)/python -m tests.peers.record_api
	@$(BIN)/python -m pytest -q tests/peers $(ARGS)

lint:
	@.ci/environment test
	@$(MAKE) check

check:
	@echo "style"
	@$(BIN)/ruff check --quiet .
	@$(BIN)/ruff format --quiet --check . || { echo "make format puts these right:"; $(BIN)/ruff format --check .; }
	@echo "types"
	@$(BIN)/mypy --no-error-summary
	@echo "architecture"
	@$(BIN)/lint-imports --no-logo > .cache/imports.log 2>&1 || { cat .cache/imports.log; exit 1; }

format:
	@.ci/environment test
	@$(BIN)/ruff check --quiet --fix-only .
	@$(BIN)/ruff format .

pins:
	@.ci/pins

wheel:
	@.ci/environment run
	@$(BIN)/python -m pip wheel -qq --disable-pip-version-check --no-build-isolation --no-deps --wheel-dir dist .
	@ls dist/*.whl
