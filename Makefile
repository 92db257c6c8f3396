# dreamloop: `make play` plays, `make test` tests, `make help` lists the rest.
# Everything is installed into .venv once, and again only when pyproject.toml or constraints.txt change.

VENV    ?= .venv
WORLD   ?= doom
ARGS    ?=
WORKERS ?= 2
export VENV

BIN    := $(VENV)/bin
PLAY   := $(VENV)/.installed-play
DEV    := $(VENV)/.installed-dev
INPUTS := pyproject.toml constraints.txt scripts/setup.sh

.DEFAULT_GOAL := help
.PHONY: help play setup system test check lint format bench eval train clean distclean

help:  ## list these targets
	@grep -E '^[a-z]+:.*##' $(firstword $(MAKEFILE_LIST)) | sed -E 's/^([a-z]+):.*## /make \1\t/' | expand -t 18

play: $(PLAY)  ## play a world in a window; with no display, write a clip of its scripted demo (WORLD=doom ARGS=...)
	$(BIN)/dreamloop play $(WORLD) $(ARGS)

setup: $(DEV)  ## install everything for working on dreamloop

system:  ## install the Debian packages that some tests want, or name the line to run
	bash scripts/setup.sh system

test: $(DEV) system  ## run the tests, WORKERS=2 at a time (ARGS=tests/input runs some of them)
	$(BIN)/python -m pytest -n $(WORKERS) --dist loadfile $(ARGS)

check: lint test  ## format, lint, types, import contracts, tests

lint: $(DEV)  ## format, lint, types and import contracts, without the tests
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo

format: $(DEV)  ## put the code into shape
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: $(DEV)  ## measure speed and latency (WORLD=doom ARGS="--json bench.json")
	$(BIN)/dreamloop bench $(WORLD) $(ARGS)

eval: $(DEV)  ## measure fidelity, drift, control and latency (WORLD=doom ARGS="--report report.html")
	$(BIN)/dreamloop eval $(WORLD) $(ARGS)

train: $(DEV)  ## train a world's weights (WORLD=doom ARGS="--minutes 60")
	$(BIN)/dreamloop train $(WORLD) $(ARGS)

clean:  ## remove what was built and cached; weights, recordings and .venv stay
	rm -rf build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
	find . -path ./$(VENV) -prune -o -type d -name __pycache__ -print0 | xargs -0 rm -rf

distclean: clean  ## clean, and remove .venv too
	rm -rf $(VENV)

# The environment for working on dreamloop can play as well: no second install.
$(PLAY): $(INPUTS)
	@if [ -e $(DEV) ] && [ ! pyproject.toml -nt $(DEV) ] && [ ! constraints.txt -nt $(DEV) ]; then :; \
	else bash scripts/setup.sh play; fi
	@touch $@

$(DEV): $(INPUTS)
	bash scripts/setup.sh dev
	@touch $@
