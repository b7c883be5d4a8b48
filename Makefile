# `make` or `make help` lists what there is. Every target installs what it needs (scripts/setup), so that a clone, Rust
# and Node are enough to start from.

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.ONESHELL:
.DELETE_ON_ERROR:
MAKEFLAGS += --no-builtin-rules --no-print-directory

CARGO ?= cargo
NPM ?= npm
# Arguments for `streamspace serve`, such as `make run ARGS='--api-port 9000'`.
ARGS ?=

# Each file and folder of tests/ that cargo takes for a test is an area; faults are too slow for every change, and
# kubernetes builds a cluster first, which takes root and minutes.
INTEGRATION := $(filter-out faults kubernetes,$(patsubst tests/%.rs,%,$(wildcard tests/*.rs)) $(patsubst tests/%/main.rs,%,$(wildcard tests/*/main.rs)))
AREAS := unit $(INTEGRATION) browser
# The browser stories that `make test` walks; `make test-browser` alone walks all of them.
STORIES ?= a11y apps catalog cookies dashboard desktop doctor first-day idle keyboard live nodes.spec one-name people restart sharing
# Those that have nothing to do with one machine, which pods tell as well.
CLUSTER_STORIES := first-day desktop apps live restart idle sharing keyboard dashboard one-name
BENCHES := $(patsubst bench/%/run,%,$(wildcard bench/*/run))
WEB_SOURCES := $(shell find web/src web/terminal web/public -type f 2>/dev/null) $(wildcard web/*.html web/*.json web/*.ts web/*.js)

.PHONY: help
help: ## List the targets
	@awk -F ':.*## ' '/^[a-z%-]+:.*## / { printf "  \033[1m%-14s\033[0m %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))
	echo "  areas for test-AREA: $(AREAS)"

# ── Using it ──────────────────────────────────────────────────────────────────────────────────────────────────────

.PHONY: run
run: build ## Install what is missing, build, start the server and print a sign-in link
	@exec target/debug/streamspace serve $(ARGS)

# Unoptimised on purpose: on two cores it is there in 2 minutes, the least optimised build that is faster takes 6. What
# a person would notice (hashing passwords, signatures) Cargo.toml optimises all the same. Figures are taken with --release.
.PHONY: build
build: setup-run web/dist/index.html
	@$(CARGO) build --locked

# The page is built only when one of its sources is newer; cargo then sees the new files and builds them in.
web/dist/index.html: $(WEB_SOURCES) web/node_modules/.package-lock.json
	@$(NPM) run --silent --prefix web build
	touch $@

%/node_modules/.package-lock.json: %/package-lock.json %/package.json
	@scripts/setup node
	PLAYWRIGHT_SKIP_BROWSER_DOWNLOAD=1 $(NPM) ci --prefix $* --no-audit --no-fund
	touch $@

.PHONY: setup-run setup-test setup-check setup-bench setup-kubernetes setup-images setup-chart setup-sso
setup-run setup-test setup-check setup-bench setup-kubernetes setup-images setup-chart setup-sso: setup-%:
	@scripts/setup $*

.PHONY: images
images: setup-images web/dist/index.html ## Container images for a cluster, as archives in target/images (root)
	@$(CARGO) build --locked --release
	images/build target/release/streamspace target/images server postgresql $(notdir $(wildcard templates-catalog/images/*))

# ── Changing it ───────────────────────────────────────────────────────────────────────────────────────────────────

.PHONY: check
check: setup-check web/dist/index.html ## Everything that can be checked without running the server: CI's first half
	@scripts/check

.PHONY: gen
gen: web/dist/index.html ## Write again what is generated: openapi.json, the page's API types, the list of settings
	@scripts/gen

.PHONY: test
test: setup-test web/dist/index.html ## Every test: CI's second half
	@$(CARGO) test --locked --no-run
	$(MAKE) $(AREAS:%=test-%) SPEC='$(STORIES)'

.PHONY: test-unit
test-unit: setup-test web/dist/index.html
	@$(CARGO) test --locked --lib --bins
	$(NPM) run --silent --prefix web test

# Tests at the level of a process: the real router, PostgreSQL, sandboxes.
.PHONY: $(INTEGRATION:%=test-%)
$(INTEGRATION:%=test-%): test-%: setup-test web/dist/index.html
	@$(CARGO) test --locked --test $*

# The chart, without a cluster. helm is built with Go, which this fetches where there is none.
.PHONY: test-chart
test-chart: setup-chart ## The chart as helm sees it
	@scripts/chart

# Against a real cluster: one that this builds and starts (as root), or the one that KUBECONFIG names.
.PHONY: test-kubernetes
test-kubernetes: setup-kubernetes web/dist/index.html
	@$(CARGO) build --locked --example mortal
	$(CARGO) test --locked --test kubernetes

# The stories in Chromium, against sessions that are pods. SPEC=name runs one file.
.PHONY: test-kubernetes-stories
test-kubernetes-stories: setup-kubernetes setup-test web/dist/index.html tests/browser/node_modules/.package-lock.json
	@$(CARGO) build --locked --bins --examples
	tests/kubernetes/stories $(or $(SPEC),$(CLUSTER_STORIES))

# Signing in through real identity providers, in Chromium. One is a Java program of 160 MB that this fetches.
.PHONY: test-sso
test-sso: setup-sso web/dist/index.html tests/browser/node_modules/.package-lock.json
	@$(CARGO) build --locked --bins
	export KEYCLOAK="$$(scripts/tool keycloak)" PYSAML2="$$(dirname "$$(scripts/tool pysaml2)")/python"
	tests/browser/run --config sso.config.ts

# What schemathesis makes up from openapi.json, against the real server. ARGS go to it, such as ARGS='--max-examples 200'.
.PHONY: test-schemathesis
test-schemathesis: setup-test web/dist/index.html
	@$(CARGO) build --locked
	"$$(dirname "$$(scripts/tool schemathesis)")/python" tests/schemathesis/run $(ARGS)

# The stories in Chromium, against the real server. SPEC=name runs one file.
.PHONY: test-browser
test-browser: setup-test web/dist/index.html tests/browser/node_modules/.package-lock.json
	@$(CARGO) build --locked --bins --examples
	tests/browser/run $(SPEC)

test-%: ## One area of the tests, such as test-api
	@echo "There are no tests of '$*'. Areas: $(AREAS)" >&2; exit 2

.PHONY: screenshots
screenshots: setup-test web/dist/index.html tests/browser/node_modules/.package-lock.json ## Take the pictures in docs/screenshots again; of every page in every state in target/browser/pages
	@$(CARGO) build --locked --bins --examples
	SCREENSHOTS=docs/screenshots tests/browser/run screenshots

# ── Measuring it, breaking it ─────────────────────────────────────────────────────────────────────────────────────

.PHONY: bench
bench: $(BENCHES:%=bench-%) ## Every figure of bench/, each written into bench/RESULTS.md

bench-%: setup-bench web/dist/index.html bench/peers/node_modules/.package-lock.json ## One figure, such as bench-start
	@[ -x bench/$*/run ] || { echo "There is no bench '$*'. There are: $(BENCHES)" >&2; exit 2; }
	$(CARGO) build --locked --release
	$(CARGO) build --locked --release --manifest-path bench/load/Cargo.toml --target-dir target/load
	bench/$*/run

.PHONY: faults
faults: setup-test web/dist/index.html ## Kill, starve and cut off the running server; minutes, so not part of test
	@$(CARGO) test --locked --test faults -- --nocapture --test-threads 1

# Minutes for each change, hours for all of them, so not part of test. Changes the clone itself, one place at a time, and puts
# each back. ARGS go to cargo-mutants, such as ARGS='--file src/services/rights.rs'.
.PHONY: mutants
mutants: setup-test web/dist/index.html ## Does a test notice when something is wrong in what lets people in?
	@git diff --quiet || { echo "commit first: this changes files and puts them back as they were" >&2; exit 2; }
	PATH="$$(dirname "$$(scripts/tool cargo-mutants)"):$$PATH" $(CARGO) mutants --in-place --output target $(ARGS)

.PHONY: fresh
fresh: ## make run and make test on a fresh Debian, as root and as an ordinary user (SUITE=bookworm or trixie)
	@scripts/setup fresh
	scripts/fresh

.PHONY: clean
clean: ## Remove what was built (never data)
	@rm -rf target web/dist web/dist-terminal web/node_modules tests/browser/node_modules
