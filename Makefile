# Every chore of the project. Each target does its own set-up (scripts/setup), shows what it does,
# and fails loudly. A target whose part of the project is not there yet says so and exits 2.
SHELL := bash
.SHELLFLAGS := -euo pipefail -c
MAKEFLAGS += --no-print-directory

SEEDS ?= 40
SECONDS ?= 60
SCHEDULES ?= 1000
TXNS ?= 100000
CYCLES ?= 500
CUTS ?= 1000
HOURS ?= 24
DURATION ?= 90
TEST_LINTS := -A clippy::unwrap_used -A clippy::expect_used -A clippy::panic \
	-A clippy::indexing_slicing -A clippy::print_stdout -A clippy::print_stderr -A unreachable_pub \
	-A clippy::case_sensitive_file_extension_comparisons -A clippy::format_collect -A clippy::float_cmp

.PHONY: help setup demo test quick lint bench loom fuzz coverage crash powercut faults failpoints model bank soak leaks \
	dashboard examples web e2e doc book deny semver package mutants

help: ## list the targets
	@grep -hE '^[a-z0-9]+:.*##' Makefile | sed -E 's/^([a-z0-9]+):.*## /  make \1\t/' | expand -t 20

setup: ## a C++ compiler, libclang, and RocksDB compiled once for this machine
	@scripts/setup

demo: setup ## the main job: import years of history, look at the past, prune, get the space back
	cargo run --locked --quiet -p sapwood-cli -- demo

test: setup ## all tests
	cargo test --locked
	cargo test --locked -p sapwood-crash --features failpoints --test crash failpoint

quick: ## check, lint and test without RocksDB, in a minute or two
	cargo fmt --all --check
	cargo clippy --locked -p sapwood --no-default-features -- -D warnings
	cargo test --locked -p sapwood --no-default-features

lint: setup ## formatting, clippy and the documentation's links, all without a warning
	cargo fmt --all --check
	cargo clippy --locked --workspace -- -D warnings
	cargo clippy --locked --workspace --all-targets -- -D warnings $(TEST_LINTS)
	cargo clippy --locked -p sapwood -p sapwood-crash --features sapwood-crash/failpoints -- -D warnings
	RUSTDOCFLAGS="-D warnings" cargo doc --locked --no-deps -p sapwood

bench: setup ## Sapwood beside its peers: ONLY=P1,P3 for a part, QUICK=1 for some six minutes
	cargo run --locked --release -p sapwood-bench -- $(if $(ONLY),--only $(ONLY)) $(if $(QUICK),--quick)

model: setup ## the rules and the engine against their references: SEEDS=1000 for the long form
	SEEDS=$(SEEDS) cargo test --locked -p sapwood --test rules --test model -- --nocapture

bank: setup ## transfers on many threads, the total checked all the time: TXNS=1000000 for the long form
	TXNS=$(TXNS) cargo test --locked --release -p sapwood --test workloads bank -- \
		--nocapture --test-threads=1

loom: ## the protocols under the model checker loom, the engine under shuttle: SCHEDULES=100000 for the long form
	RUSTFLAGS="--cfg loom" CARGO_TARGET_DIR=$${CARGO_TARGET_DIR:-target}/loom \
		cargo test --locked -p sapwood --no-default-features --lib loom_
	SCHEDULES=$(SCHEDULES) RUSTFLAGS="--cfg shuttle" CARGO_TARGET_DIR=$${CARGO_TARGET_DIR:-target}/shuttle \
		cargo test --locked -p sapwood --no-default-features --lib shuttle_

crash: setup ## processes killed at random moments, logs damaged: CYCLES=5000 for the long form, SEED=...
	cargo run --locked --quiet -p sapwood-crash -- kill --cycles $(CYCLES) $(if $(SEED),--seed $(SEED))

powercut: setup ## the power cut while the engine works (root, Debian's xfsprogs): CUTS=10000 for the long form
	cargo run --locked --quiet -p sapwood-crash -- cut --cuts $(CUTS) $(if $(SEED),--seed $(SEED))

faults: setup ## a disk that loses, tears and reorders what was not waited for, calls that fail (root): CYCLES=5000
	cargo run --locked --quiet -p sapwood-crash -- faults --cycles $(CYCLES) $(if $(SEED),--seed $(SEED)) \
		$(if $(TEARS),--tears $(TEARS))

failpoints: setup ## processes ended between any two steps, each time that they come by
	cargo run --locked --quiet -p sapwood-crash --features failpoints -- points $(if $(SEED),--seed $(SEED))

soak: setup ## everything at once on one store, checked and measured; resumed until HOURS=24 are run in all
	cargo build --locked --quiet --release -p sapwood-soak --features jemalloc
	$${CARGO_TARGET_DIR:-target}/release/sapwood-soak run --hours $(HOURS) $(if $(SEED),--seed $(SEED)) \
		--directory $(or $(DIRECTORY),target/soak)

leaks: setup ## the short form of the soak under valgrind (Debian's valgrind), which finds memory that is lost
	@command -v valgrind >/dev/null || { echo "leaks: skipped: no valgrind; apt-get install valgrind" >&2; exit 0; }; \
	cargo build --locked --quiet -p sapwood-soak; \
	directory=$$(mktemp -d); trap 'rm -rf "$$directory"' EXIT; \
	valgrind --leak-check=full --errors-for-leak-kinds=definite --error-exitcode=9 \
		$${CARGO_TARGET_DIR:-target}/debug/sapwood-soak run --directory "$$directory" --hours 1 --operations 60 --rounds 3 \
		$(if $(SEED),--seed $(SEED))

dashboard: setup ## the Grafana dashboard's queries, each asked of a real Prometheus (Debian's) under load: DURATION=90 seconds
	prometheus=$$(scripts/prometheus); \
	cargo build --locked --quiet --example metrics_http; \
	cargo run --locked --quiet -p sapwood-dashboard -- --prometheus "$$prometheus" \
		--load $${CARGO_TARGET_DIR:-target}/debug/examples/metrics_http --seconds $(DURATION)

mutants: setup ## break each rule on purpose; a test must fail
	scripts/mutants

fuzz: setup ## six fuzz targets, from keys to damaged databases, on libFuzzer: SECONDS=600 in all for the long form
	@scripts/fuzz $(SECONDS)

examples: setup ## run every example
	for example in examples/*.rs; do \
		name=$$(basename $$example .rs); echo "== $$name"; \
		cargo run --locked --quiet --example $$name; \
	done
	echo "== wasm_time_travel"
	cargo run --locked --quiet -p sapwood-wasm --example wasm_time_travel
	echo "== revm_node"
	cargo run --locked --quiet -p sapwood-evm --example revm_node

doc: setup ## the library's documentation
	cargo doc --locked --no-deps -p sapwood

book: ## the book of docs/, as pages in target/book (mdBook)
	@scripts/book

deny: ## licences, bans and sources of all dependencies (cargo-deny; deny.toml)
	@command -v cargo-deny >/dev/null || cargo install --locked cargo-deny
	cargo deny --workspace --all-features check licenses bans sources

semver: setup ## the library's surface beside that of a release: BASE=v0.1.0 (default: the newest tag)
	@base=$(or $(BASE),$$(git describe --tags --abbrev=0 2>/dev/null || true)); \
	if [ -z "$$base" ]; then \
		echo "semver: there is no tag to compare with (BASE=REVISION names one); the list of the surface is compared" >&2; \
		cargo test --locked -p sapwood --no-default-features --test tidy surface; exit; \
	fi; \
	command -v cargo-semver-checks >/dev/null || cargo install --locked cargo-semver-checks; \
	cargo semver-checks -p sapwood --baseline-rev "$$base"

package: setup ## what would be published: the list of its files, and whether it builds by itself
	cargo package --locked -p sapwood --list
	cargo package --locked -p sapwood

web: ## the explorer's front end anew from its sources (npm); the result is committed
	npm ci --prefix crates/sapwood-explorer/web --no-audit --no-fund
	cd crates/sapwood-explorer/web && npm run --silent build

e2e: setup ## the explorer in headless Chromium (Debian's chromium, npm), with pictures in target/explorer
	@command -v chromium >/dev/null || { apt-get update && apt-get install -y --no-install-recommends chromium fonts-dejavu-core; }
	npm ci --prefix crates/sapwood-explorer/e2e --no-audit --no-fund
	cargo build --locked --quiet -p sapwood-cli
	cd crates/sapwood-explorer/e2e && npm test --silent

coverage: setup ## which lines the tests run, by cargo-tarpaulin; fails below 90 %
	@scripts/coverage
