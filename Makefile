# make run      build everything and run the built-in image from the shell, C, Python, Node and Rust
# make test     set up what the tests need, build, and run them all
# make bench    barque beside runc, crun, podman, docker and bubblewrap, whichever are here
# make install  the command and the C library below PREFIX
# make bless    write the generated files again
#
# What is built goes below TARGET: cargo's target directory. Nothing is installed on the machine but Debian packages that
# `make test` and `make run` name before they install them, and only those that are missing.

SHELL := /bin/bash
PREFIX ?= /usr/local
PROFILE ?= release
TARGET := $(abspath $(or $(CARGO_TARGET_DIR),target))
BUILD := $(TARGET)/$(PROFILE)
VENV := $(TARGET)/venv
export CARGO_TARGET_DIR := $(TARGET)
# A program that pip, npm or cargo starts must not ask anything.
export DEBIAN_FRONTEND := noninteractive
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.PHONY: run test bench install bless build python node demo rust-example c-example clean

## Building

# The command and the C library in one go: what they share is compiled once.
build:
	cargo build --locked --profile $(PROFILE) -p barque-cli -p barque-ffi-c
	ln -sf libbarque.so $(BUILD)/libbarque.so.0

# The wheel, in a virtual environment of its own.
python: $(VENV)/bin/maturin
	$(VENV)/bin/maturin build --locked --quiet --profile $(PROFILE) --manifest-path bindings-python/Cargo.toml \
		--interpreter $(VENV)/bin/python --out $(TARGET)/wheels
	$(VENV)/bin/pip install --quiet --force-reinstall --no-deps --no-index $$(ls -t $(TARGET)/wheels/barque-*.whl | head -n 1)

$(VENV)/bin/maturin:
	tests/packages python3-venv
	python3 -m venv $(VENV)
	$(VENV)/bin/pip install --quiet 'maturin>=1.9,<2'

# The addon and its TypeScript. By cargo itself: `napi build` (which `npm run build:native` is, for publishing) always gives
# cargo a --target, and so compiles every dependency a second time.
node: bindings-node/node_modules/.package-lock.json
	cargo build --locked --profile $(PROFILE) -p barque-node
	install -D -m 644 $(BUILD)/libbarque_node.so \
		bindings-node/dist/barque.linux-$$(node -p process.arch)-gnu.node
	cd bindings-node && npx tsc -p tsconfig.json

# Not `npm ci`: it wants every optional package of every platform in the lock file, and npm itself leaves out those it cannot look up.
bindings-node/node_modules/.package-lock.json: bindings-node/package-lock.json
	cd bindings-node && npm install --no-save --no-audit --no-fund --loglevel=error
	touch $@

## Running

run:
	@echo '== make run installs, where they are missing: gcc and python3-venv (Debian), maturin (PyPI, into'
	@echo '   $(VENV)) and typescript (npm, into bindings-node/node_modules)'
	tests/packages gcc libc6-dev
	$(MAKE) --no-print-directory build python node rust-example c-example
	$(MAKE) --no-print-directory demo

rust-example:
	cargo build --locked --profile $(PROFILE) -p barque --example hello

c-example:
	mkdir -p $(BUILD)/examples
	gcc -std=c99 -Wall -Wextra -I ffi-c/include ffi-c/examples/run.c -o $(BUILD)/examples/run-c \
		-L $(BUILD) -lbarque -Wl,-rpath,$(BUILD)

# One container from each language, on an engine below TARGET that is removed again.
demo:
	@BUILD=$(BUILD) VENV=$(VENV) tests/demo

## Tests

test:
	tests/run

bench:
	tests/packages strace sqlite3
	$(MAKE) --no-print-directory build python node
	cargo build --locked --profile $(PROFILE) -p barque-tests --bin bench
	BARQUE_PYTHON=$(VENV)/bin/python $(BUILD)/bench $(REPETITIONS)

bless:
	BARQUE_BLESS=1 cargo test --locked --profile ci -p barque-tests --test generated
	BARQUE_BLESS=1 cargo test --locked --profile ci -p barque-ffi-c --test header --test symbols

## Installing

install: build
	install -D -m 755 $(BUILD)/barque $(DESTDIR)$(PREFIX)/bin/barque
	PREFIX=$(PREFIX) BUILD=$(BUILD) ffi-c/install.sh

clean:
	cargo clean
	rm -rf bindings-node/node_modules bindings-node/dist
