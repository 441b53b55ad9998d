# make run     the demo: two organisations on the loopback        make test        every test
# make check   lint, types, layout                               make test-quick  those under a minute
# make bench   a quick benchmark                                 make setup       .venv and nothing else
# make fuzz    atheris drives the parsers: SECONDS=60 each, or TARGETS="message commands"
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

.PHONY: setup run test test-quick check bench fuzz lock clean
.DELETE_ON_ERROR:

setup: $(READY)

$(READY): requirements/dev.lock pyproject.toml
	@tools/make-venv "$(PYTHON)" "$(VENV)"
	@touch $@

run: setup
	@$(BIN)/postier demo

test: check
	@tools/test-packages
	@$(BIN)/pytest

test-quick: setup
	@$(BIN)/pytest -m "not slow and not interop"

check: setup
	@$(BIN)/ruff check src tests bench
	@$(BIN)/ruff format --check src tests bench
	@$(BIN)/mypy

bench: setup
	@$(BIN)/python bench/quick.py

fuzz: setup
	@tools/fuzz "$(VENV)" $(or $(SECONDS),60) $(TARGETS)

# Pins every dependency by version and hash; no address of a registry goes into the files.
lock: setup
	@tools/lock

clean:
	rm -rf $(VENV) dist demo-data .pytest_cache .mypy_cache .ruff_cache .hypothesis fuzz-findings
