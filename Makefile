# Entry points of the project: `make help` lists them. Needs Python 3.11 or newer with venv and pip, git, and make.
.DEFAULT_GOAL := help
.NOTPARALLEL:
.DELETE_ON_ERROR:
MAKEFLAGS += --no-print-directory
SHELL := /bin/sh

VENV := .venv
BIN := $(VENV)/bin
UV := $(or $(shell uv --version >/dev/null 2>&1 && command -v uv),$(BIN)/uv)

# Settings: ARGS is handed on (make demo ARGS="--scenario circuit-breaker"); WORKERS is the number of test processes,
# 0 for none beside pytest's own, 3 by default because tests wait for other processes half of their time; PYTHON names the interpreter for .venv, which is found on PATH otherwise.
ARGS ?=
WORKERS ?= 3
PYTHON ?=
# Seconds for each of the two parts of `make fuzz`, and where it begins: a failure tells the seed, which finds it again.
FUZZ_SECONDS ?= 300
FUZZ_SEED ?= $(shell date +%s)

TYPED := $(wildcard scrollintel ops tests/typing demo_fault_tolerance.py demo benchmarks)
QUICK := $(wildcard tests/test_fault_tolerance.py tests/unit tests/model tests/conformance)

# One environment, whatever the caller's shell has set.
unexport PYTHONPATH PYTHONHOME VIRTUAL_ENV
export UV_PYTHON_DOWNLOADS := never
export UV_NO_PROGRESS := 1
export UV_SYSTEM_CERTS ?= 1
export PIP_DISABLE_PIP_VERSION_CHECK := 1

say = @if [ -t 1 ]; then printf '\n\033[1m%s\033[0m\n' "$(1)"; else printf '\n%s\n' "$(1)"; fi

.PHONY: help setup demo dashboard pictures serve test check fmt lint types layers security coverage properties kills kill-recoveries chaos tamper fuzz bench bench-control-plane bench-detection bench-metrics bench-overload requirements clean distclean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-20s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

# --------------------------------------------------------------------------------------------------------- environment
# Each stamp says: .venv holds what this list pins. A second run finds the stamps and starts at once.

setup: $(VENV)/.dev ## create .venv with everything the tests need
	@echo "$(VENV) is ready"

$(VENV)/.created:
	@chosen=; \
	for candidate in $(or $(PYTHON),python3 python3.14 python3.13 python3.12 python3.11 python); do \
	    if "$$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; then \
	        chosen=$$candidate; break; \
	    fi; \
	done; \
	if [ -z "$$chosen" ]; then \
	    echo "No Python 3.11 or newer found (looked for: $(or $(PYTHON),python3 python3.14 ... python3.11 python))." >&2; \
	    echo "Install one, or name it: make PYTHON=/path/to/python3.11 $(MAKECMDGOALS)" >&2; exit 1; \
	fi; \
	echo "Creating $(VENV) with $$("$$chosen" --version)"; \
	if ! "$$chosen" -m venv $(VENV); then \
	    echo "$$chosen cannot create a virtual environment; on Debian and Ubuntu install python3-venv." >&2; exit 1; \
	fi
	@touch $@

$(VENV)/bin/uv: requirements/uv.txt | $(VENV)/.created
	@echo "Installing uv into $(VENV)"
	@$(BIN)/python -m pip install -qq --require-hashes -r requirements/uv.txt
	@touch $@

# $(1): the lists to install
define install
	@echo "Installing $(1)"
	@$(UV) pip install --quiet --python $(BIN)/python --require-hashes $(foreach list,$(1),-r $(list)) \
	    || { echo "uv could not install them; pip tries, with its own configuration and more slowly" >&2; \
	         $(BIN)/python -m pip install -qq --require-hashes $(foreach list,$(1),-r $(list)); }
	@$(UV) pip install --quiet --python $(BIN)/python --offline --no-deps --no-build-isolation -e .
	@touch $@
endef

$(VENV)/.demo: requirements/build.txt requirements/demo.txt pyproject.toml | $(VENV)/.created $(filter $(BIN)/uv,$(UV))
	$(call install,requirements/build.txt requirements/demo.txt)

$(VENV)/.dev: requirements/dev.txt pyproject.toml | $(VENV)/.created $(filter $(BIN)/uv,$(UV))
	$(call install,requirements/dev.txt)

$(VENV)/.bench: requirements/bench.txt pyproject.toml | $(VENV)/.created $(filter $(BIN)/uv,$(UV))
	$(call install,requirements/bench.txt)

# --------------------------------------------------------------------------------------------------------- the product

demo: $(VENV)/.demo ## break real services and watch them be survived; options by ARGS="--help"
	@$(MAKE) dashboard || echo "The dashboard cannot be built here; the demo runs without it." >&2
	@$(BIN)/python demo_fault_tolerance.py $(ARGS)

# -------------------------------------------------------------------------------------------------------------- checks

# The page is built by npm; where there is none, by that of a Python package, which is installed for it once.
$(VENV)/.node: requirements/node.txt | $(VENV)/.created $(filter $(BIN)/uv,$(UV))
	@$(BIN)/python web/build.py || { test $$? -eq 3 && { \
	    echo "Installing Node into $(VENV), to build the dashboard"; \
	    $(UV) pip install --quiet --python $(BIN)/python --require-hashes -r requirements/node.txt \
	        || $(BIN)/python -m pip install -qq --require-hashes -r requirements/node.txt; }; }
	@touch $@

dashboard: $(VENV)/.node ## build the dashboard's page from web/
	@$(BIN)/python web/build.py

pictures: $(VENV)/.dev dashboard ## take the dashboard's pictures of README and docs anew, from the real demo; needs chromium
	@$(BIN)/python -m pytest -q tests/browser/test_demo.py
	@cp reports/pictures/*.png docs/images/

serve: $(VENV)/.dev dashboard ## run the control plane from this checkout; options by ARGS
	@$(BIN)/python -m scrollintel serve $(ARGS)

test: dashboard lint types layers security ## every check and every test; options for pytest by ARGS="-k breaker"
	$(call say,tests)
	@$(BIN)/python -m pytest $(PARALLEL) $(ARGS)

check: lint types layers security ## what must be green before a review: lint, types, layers, the fast tests
	$(call say,fast tests)
	@$(BIN)/python -m pytest $(PARALLEL) $(QUICK) $(ARGS)

PARALLEL = $(if $(filter-out 0 1,$(WORKERS)),-n $(WORKERS) --dist worksteal)

fmt: $(VENV)/.dev ## format the code and mend what ruff can mend
	@$(BIN)/ruff format
	@$(BIN)/ruff check --fix

lint: $(VENV)/.dev ## ruff: rules and format
	$(call say,ruff)
	@$(BIN)/ruff check --quiet --output-format=concise
	@$(BIN)/ruff format --check

types: $(VENV)/.dev ## mypy --strict
	$(call say,mypy)
	@$(BIN)/mypy $(TYPED)

layers: $(VENV)/.dev ## import contracts: which way imports point
	$(call say,import layers)
	@report=$$($(BIN)/lint-imports --no-logo 2>&1); status=$$?; echo "$$report" | sed '/^$$/d'; exit $$status

security: $(VENV)/.dev ## bandit: no finding of medium or high severity
	$(call say,bandit)
	@$(BIN)/bandit --quiet --configfile pyproject.toml --recursive scrollintel --severity-level medium 2>/dev/null

properties: $(VENV)/.dev ## models, equivalences and millions of simulated calls in their long form; options by ARGS
	@SCROLLINTEL_THOROUGH=1 $(BIN)/python -m pytest $(PARALLEL) tests/model tests/conformance tests/unit/core --timeout 3600 $(ARGS)

kills: $(VENV)/.dev ## SIGKILL the writer 200 times under load on each database; nothing acknowledged may be lost
	@SCROLLINTEL_KILLS=200 $(BIN)/python -m pytest tests/storage/test_kills.py --timeout 3600 $(ARGS)

kill-recoveries: $(VENV)/.dev ## SIGKILL recoveries at every step boundary and 200 times at random; no effect may happen twice
	@SCROLLINTEL_RECOVERY_KILLS=200 $(BIN)/python -m pytest tests/integration/test_durable_kills.py --timeout 3600 $(ARGS)

chaos: $(VENV)/.dev ## the twelve chaos scenarios beside two baselines; goes on where it was broken off; options by ARGS
	@$(BIN)/python -m tests.chaos $(ARGS)

tamper: $(VENV)/.dev ## 10,000 random tamperings with an audit log; all must be found
	@SCROLLINTEL_TAMPERINGS=10000 $(BIN)/python -m pytest tests/unit/security/test_audit_verify.py -k tampering --timeout 600 $(ARGS)

fuzz: $(VENV)/.dev ## ten minutes of made-up requests to every route of the API; FUZZ_SECONDS and FUZZ_SEED may be given
	@SCROLLINTEL_FUZZ_SECONDS=$(FUZZ_SECONDS) SCROLLINTEL_FUZZ_SEED=$(FUZZ_SEED) \
	    $(BIN)/python -m pytest tests/api/test_contract.py --timeout 86400 $(ARGS)

bench-control-plane: $(VENV)/.dev ## measure the control plane beside a bare FastAPI route; needs wrk; options by ARGS
	@$(BIN)/python -m benchmarks.control_plane $(ARGS)

bench-detection: $(VENV)/.dev ## measure how fast failures are noticed and repaired, and how often wrongly; options by ARGS
	@$(BIN)/python -m benchmarks.detection $(ARGS)

bench-metrics: $(VENV)/.dev ## measure a scrape of 1,000 circuits, and a call with metrics on; options by ARGS
	@$(BIN)/python -m benchmarks.metrics $(ARGS)

bench-overload: $(VENV)/.bench ## capacity falls for a while: what clients still get done, by policy; options by ARGS
	@$(BIN)/python -m benchmarks.overload_http $(ARGS)

coverage: $(VENV)/.dev ## run the tests in one process under branch coverage and report
	@$(BIN)/coverage erase
	@$(BIN)/coverage run -m pytest $(ARGS)
	@$(BIN)/coverage report

bench: $(VENV)/.bench ## measure the cost of a protected call against the peers; options by ARGS
	@$(BIN)/python -m benchmarks $(ARGS)

# -------------------------------------------------------------------------------------------------------------- upkeep

requirements: $(VENV)/.dev ## pin requirements/*.txt anew from requirements/*.in; ARGS="--upgrade" takes the newest
	@for name in build demo uv serve dev bench node; do \
	    $(UV) pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-annotate --no-header \
	        --no-emit-index-url --no-emit-find-links $(ARGS) requirements/$$name.in -o requirements/$$name.txt || exit 1; \
	done

clean: ## remove caches, reports and build results; keeps .venv
	@rm -rf .coverage .coverage.* .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache \
	    build coverage.xml dist htmlcov reports
	@find . -path ./$(VENV) -prune -o -type d -name __pycache__ -prune -exec rm -rf {} +

distclean: clean ## the same, and .venv
	@rm -rf $(VENV)
