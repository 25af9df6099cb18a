# Everything a person types. Each target works on a fresh machine: Debian 12, python3, python3-venv, make.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
PIP := $(BIN)/python -m pip --disable-pip-version-check
FAST := not system and not browser and not slow and not hardware
PYTEST := EVALROOM_PROPERTIES=quick $(BIN)/python -m pytest -q -m "$(FAST)"
RULES := tests/protocols $(wildcard tests/edge/test_room*.py)
DEMO_OPTIONS ?=

.DEFAULT_GOAL := help
.PHONY: help install demo test check check-hub check-rules check-edge check-code bench proof format lock audit sbom system-packages clean

help: ## this list
	@sed -n 's/^\([a-z-]*\):.*## /  make \1\t/p' $(MAKEFILE_LIST) | expand -t 26

install: $(STAMP) ## a virtual environment with everything pinned by hash

$(STAMP): deploy/requirements.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo \
	  "make: Python is too old. expected: 3.11 or newer, got: $$($(PYTHON) --version 2>&1)." \
	  "do: make $(MAKECMDGOALS) PYTHON=/path/to/a/newer/python3" >&2; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV) || { echo \
	  "make: no virtual environment. expected: the module venv with ensurepip, got: the error above." \
	  "do: sudo apt-get install -y python3-venv" >&2; exit 1; }
	@echo "installing the pinned packages into $(VENV) (once, a minute or two)"
	@$(PIP) install --quiet --require-hashes --requirement deploy/requirements.txt
	@$(PIP) install --quiet --no-deps --no-build-isolation --editable .
	@touch $@

demo: $(STAMP) ## a whole evaluation day on this machine, then an open console
	@$(BIN)/evalroom demo $(DEMO_OPTIONS)

system-packages: ## what the suite needs beyond Python: installed if you may, else named
	@deploy/system-packages

# Four at a time: what takes longest is begun first and mostly waits while the others fill the cores.
test: $(STAMP) system-packages ## the whole suite
	@PYTHONHASHSEED=0 $(BIN)/python -m pytest -q -n 4 --dist loadfile --no-loadscope-reorder -m "not hardware"

# Parts side by side, each with its output in one piece; the rooms' tests mostly wait. Only the pure rules are measured, by the
# tests beside them: measuring doubles the time of what it watches.
check: $(STAMP) ## format, lint, types, import contracts, fast tests; about a minute
	@$(MAKE) --no-print-directory --output-sync=target -j 3 --keep-going \
	  check-hub check-rules check-edge check-code

check-hub:
	@echo "the hub's tests"; $(PYTEST) -n 2 --dist loadfile tests/hub

check-rules:
	@echo "the rules' tests, every branch"; $(PYTEST) $(RULES) --cov --cov-report=
	@$(BIN)/coverage report --fail-under=100

check-edge:
	@echo "the rooms' tests, and those of the project itself"
	@$(PYTEST) tests --ignore=tests/hub $(addprefix --ignore=,$(RULES))

check-code:
	@echo "format, lint, types, import contracts"; $(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports

bench: $(STAMP) ## ratios to the limits of this machine; out/bench.json keeps them
	@$(BIN)/python -m tests.bench

proof: $(STAMP) system-packages ## the long figures, resumable; docs/proof.json keeps them
	@$(BIN)/python -m tests.bench.proof

format: $(STAMP) ## rewrite the code in the one format
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

# uv resolves for every Python and platform at once; only the names and hashes are kept.
lock: ## resolve deploy/requirements.txt afresh from pyproject.toml
	@test -x $(VENV)-lock/bin/uv || { $(PYTHON) -m venv $(VENV)-lock && \
	  $(VENV)-lock/bin/python -m pip --disable-pip-version-check install --quiet uv; }
	@$(VENV)-lock/bin/uv --quiet --no-config pip compile pyproject.toml --upgrade \
	  --extra edge --extra hub --extra oidc --extra dev --universal --python-version 3.11 \
	  --no-strip-extras --generate-hashes --no-emit-index-url --no-emit-find-links --no-header --no-annotate \
	  --output-file deploy/requirements.txt

# Tools of their own, as for the lock: nothing that looks at the dependencies is one of them.
$(VENV)-audit/made:
	@$(PYTHON) -m venv $(VENV)-audit
	@$(VENV)-audit/bin/python -m pip --disable-pip-version-check install --quiet pip-audit cyclonedx-bom
	@touch $@

audit: $(VENV)-audit/made ## known weaknesses of the pinned dependencies; fails on one, and on one nobody can look up
	@$(VENV)-audit/bin/pip-audit --strict --disable-pip --require-hashes --requirement deploy/requirements.txt

sbom: $(VENV)-audit/made ## what is in it: out/sbom.cdx.json, CycloneDX, with the hashes that are installed
	@mkdir -p out
	@$(VENV)-audit/bin/cyclonedx-py requirements deploy/requirements.txt --output-format JSON \
	  --output-file out/sbom.cdx.json
	@echo "out/sbom.cdx.json"

clean: ## remove the virtual environment and what the tools left
	@rm -rf $(VENV) $(VENV)-lock $(VENV)-audit out .coverage .mypy_cache .ruff_cache .pytest_cache .hypothesis
