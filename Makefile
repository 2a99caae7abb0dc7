# Every target first installs what is missing (.ci/setup; a second time it does nothing).
# .ci/environment says where things go; each value can be set from outside.

# The data directory of `make run`.
DATA ?= .cairn
# Further arguments for `make run`, `make bench`, `make conformance`, `make model` and `make clients`.
ARGS ?=
# How many calls `make model` makes, and from which seed; it draws one where none is given.
STEPS ?= 100000
SEED ?=

CARGO := . .ci/environment && cargo

.DEFAULT_GOAL := help
.PHONY: help setup setup-test build run test bench races fuzz conformance model clients fmt lint deny

help: ## this list
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/make \1\t\2/p' Makefile | expand -t 20

setup: ## install what building needs: packages, Rust, RocksDB's archive
	@.ci/setup

setup-test: ## install what the tests call as well: AWS CLI, rclone, boto3
	@.ci/setup test

build: setup ## build the server: target/release/cairn
	$(CARGO) build --release $$LOCKED -p cairn-server
	@. .ci/environment && mkdir -p target/release && \
	if ! [ "$$CARGO_TARGET_DIR/release/cairn" -ef target/release/cairn ]; then \
		ln -sf "$$(realpath "$$CARGO_TARGET_DIR/release/cairn")" target/release/cairn; \
	fi

run: build ## run a server for development: S3 on :9000, console on :9001 (DATA=.cairn ARGS=)
	target/release/cairn dev $(ARGS) $(DATA)

test: setup-test ## formatting, lints and all tests; ends with `N passed, N failed`
	@.ci/test

bench: build ## measure: the load tool's suite against a server of its own (ARGS=--help)
	$(CARGO) run --release $$LOCKED -p cairn-bench -- $(or $(ARGS),suite)

races: build ## many clients at one key of a cluster: one is first, nothing is counted twice or torn (ROUNDS=1000)
	export CAIRN_TEST_ROUNDS=$(or $(ROUNDS),1000); $(CARGO) test --release $$LOCKED -p cairn-cluster-tests --test cluster races -- --nocapture

fuzz: setup ## feed parsers what nobody would send; installs a nightly Rust and cargo-fuzz (TARGET=all SECONDS=60)
	. .ci/environment; tests/fuzz/run $(or $(TARGET),all) $(or $(SECONDS),60)

conformance: build ## the S3 tests alone, against any server with CAIRN_TEST_ENDPOINT (ARGS=a test's name); or a suite (SUITE=a checkout of ceph/s3-tests)
ifdef SUITE
	. .ci/environment; tests/conformance/s3-tests --suite $(SUITE) $(ARGS)
	$(CARGO) run --release --quiet $$LOCKED -p cairn-xtask -- readme
else
	$(CARGO) test --release $$LOCKED -p cairn-conformance -- $(ARGS)
endif

model: build ## compare random calls through two gateways of a cluster with a model of S3, until they differ (STEPS=100000 SEED=)
	$(CARGO) run --release --quiet $$LOCKED -p cairn-model-tests -- --steps $(STEPS) $(if $(SEED),--seed $(SEED)) $(ARGS)

clients: build ## let real clients do their rounds, each installed from its registry (ARGS=their names)
	. .ci/environment; tests/clients/run $(ARGS)

fmt: setup ## format the code
	$(CARGO) fmt --all

lint: setup ## what `make test` checks before the tests, and the architecture
	$(CARGO) fmt --all --check
	$(CARGO) clippy --release $$LOCKED --workspace --all-targets -- -D warnings
	$(CARGO) run --release --quiet $$LOCKED -p cairn-xtask -- tidy

deny: setup ## licences, advisories and banned crates (builds cargo-deny first: minutes, once)
	. .ci/environment; cargo deny --version >/dev/null 2>&1 || cargo install --locked cargo-deny
	$(CARGO) deny check
