# `make help` lists the targets.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := build

ifneq ($(filter-out help clean deps,$(or $(MAKECMDGOALS),build)),)
ifeq ($(shell command -v go),)
$(error go is not in PATH: install Go 1.26 or newer (https://go.dev/dl/); under sudo, say sudo env "PATH=$$PATH" make …)
endif
endif

VERSION := $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
TOOLS   := bin/tools

# Tests that send packets are timed, so they run alone, after the others.
PACKET_TESTS := ./test/packets/...
UNIT_TESTS    = $(shell go list ./... | grep -v '/test/packets')

# A test that hangs is told from one on a slow machine.
GOTEST := go test -timeout 15m
# SQLite is C that was translated to Go. The race detector would find nothing in it that is
# ours, and slows it down ten times: what reads and writes there is not watched.
UNWATCHED := modernc.org/sqlite/lib modernc.org/libc
RACE_GOFLAGS = $(shell go env GOFLAGS) $(UNWATCHED:%=-gcflags=%=-race=false)
# With the race detector each process sleeps for a second when it ends, unless told not to.
RACE = GOFLAGS="$(RACE_GOFLAGS)" GORACE=atexit_sleep_ms=10 L2GW_TEST_RACE=1 L2GW_TEST_BINARY=$(CURDIR)/bin/test/l2gw
RACETEST = $(RACE) $(GOTEST) -race

# Suites of several packages wait more than they compute: for processes, leases, time limits.
SIDE_BY_SIDE := -p 3

# Not told again split: faults by chance, of which there is a story of servers and
# agents already, and what ends before anything runs.
ONE_PROCESS := AfterAnyAccidents|WhateverBreaks|ContradictEachOther

## build: bin/l2gw, one static binary, and its other names
.PHONY: build
build:
	CGO_ENABLED=0 go build -trimpath -buildvcs=false -ldflags "-s -w -X main.version=$(VERSION)" -o bin/l2gw ./cmd/l2gw
	@ln -sf l2gw bin/neutron-l2gateway-agent
	@ln -sf l2gw bin/neutron-l2gw

## demo: a tour of a few seconds with an emulated switch; needs Go alone
.PHONY: demo
demo: build
	@scripts/demo

## demo-packets: the same with Open vSwitch, and pings through it; needs root
.PHONY: demo-packets
demo-packets: build deps
	@go run ./test/packets/demo -l2gw bin/l2gw

## man: manual pages of all commands, in bin/man/man1
.PHONY: man
man: build
	bin/l2gw man bin/man/man1

## test: all that must hold before a change goes in: lint and every suite, with the race detector
.PHONY: test
test: machine deps proto-check lint test-race
	@$(MAKE) --no-print-directory -j2 --output-sync=target test-split test-chaos
	@$(MAKE) --no-print-directory test-packets

## test-unit: all suites but the packets, without the race detector
.PHONY: test-unit
test-unit: deps
	$(GOTEST) $(SIDE_BY_SIDE) $(UNIT_TESTS)

## test-race: all suites but the packets, with the race detector
.PHONY: test-race
test-race: deps race-binary
	@$(RACETEST) $(SIDE_BY_SIDE) $(UNIT_TESTS)

## test-split: the engine's stories once more, by two servers on PostgreSQL and two agents, over TLS
.PHONY: test-split
test-split: deps race-binary
	L2GW_TEST_SPLIT=1 $(RACETEST) -skip '$(ONE_PROCESS)' ./test/engine
	L2GW_TEST_SPLIT=1 $(RACETEST) -count=1 -run BareMetal $(PACKET_TESTS)

## test-openstack: what stands beside OpenStack: its Keystone, Neutron, Heat, Tempest and clients, HAProxy, and the predecessor's answers
.PHONY: test-openstack
test-openstack: deps race-binary
	$(RACETEST) $(SIDE_BY_SIDE) ./internal/keystone ./internal/oslo/... ./internal/front $(addprefix ./test/,client front heat keystone neutron reference tempest)

## test-hostile: requests that no client in its right mind would send, all that there are: ten minutes
.PHONY: test-hostile
test-hostile: deps race-binary
	L2GW_HOSTILE=all $(RACE) go test -race -v -count=1 -timeout 60m ./test/hostile

## test-ovsdb: the OVSDB library alone, with its conformance suite
.PHONY: test-ovsdb
test-ovsdb: deps
	$(RACETEST) ./ovsdb/...

## test-packets: pings through Open vSwitch's hardware_vtep emulator; needs root
.PHONY: test-packets
test-packets: machine deps race-binary
	$(RACETEST) -count=1 $(PACKET_TESTS)

## chaos: accidents of servers, agents, switches, SQL and links for L2GW_CHAOS_MINUTES (60); needs root
CHAOS := go test -v -count=1 -run 'TestWhateverBreaks' ./test/engine
.PHONY: chaos
chaos: export L2GW_CHAOS_MINUTES ?= 60
chaos: machine deps
	$(CHAOS) -timeout $$((L2GW_CHAOS_MINUTES + 10))m

## test-chaos: the same for five minutes, with the race detector
.PHONY: test-chaos
test-chaos: machine deps race-binary
	@log=$$(mktemp); trap 'rm -f "$$log"' EXIT; \
	$(RACE) L2GW_CHAOS_MINUTES=5 $(CHAOS) -timeout 15m >"$$log" 2>&1 || { cat "$$log"; exit 1; }; tail -n 12 "$$log"

# The program that the suites run, with the race detector: built once for all of them, and
# replaced only by another, so that go test knows which of its results still hold.
.PHONY: race-binary
race-binary:
	@GOFLAGS="$(RACE_GOFLAGS)" go build -race -buildvcs=false -o bin/test/l2gw.built ./cmd/l2gw
	@cmp -s bin/test/l2gw.built bin/test/l2gw || install bin/test/l2gw.built bin/test/l2gw

## fuzz: every fuzz test for FUZZTIME (10s) each
FUZZTIME ?= 10s
.PHONY: fuzz
fuzz:
	@for package in $$(go list ./...); do \
	  for test in $$(go test -list '^Fuzz' $$package | grep '^Fuzz' || true); do \
	    echo "$$package $$test"; \
	    go test -run '^$$' -fuzz "^$$test\$$" -fuzztime $(FUZZTIME) $$package; \
	  done; \
	done

## bench: the figures that docs promise, and every other benchmark; for a quiet machine
# One package after the other: two at a time would measure each other.
BENCHMARKS = $(shell git grep -l '^func Benchmark' -- '*_test.go' | xargs dirname | sort -u | sed 's|^|./|')
.PHONY: bench
bench: deps
	go test -p 1 -run '^$$' -bench . -benchmem -timeout 30m $(BENCHMARKS)

## lint: golangci-lint, which also says who may import whom, go vet, gofmt and a tidy go.mod
.PHONY: lint
lint: $(TOOLS)/golangci-lint
	$(TOOLS)/golangci-lint run
	@unformatted=$$(gofmt -l $$(git ls-files '*.go')); [[ -z $$unformatted ]] || { echo "gofmt would change: $$unformatted (make fmt)" >&2; exit 1; }
	go mod tidy -diff

## fmt: gofumpt on every file
.PHONY: fmt
fmt: $(TOOLS)/gofumpt
	$(TOOLS)/gofumpt -w $$(git ls-files -co --exclude-standard '*.go')

## proto: generate internal/fabric/fabricpb from proto/ anew
PROTO := l2gw/fabric/v1/fabric.proto
.PHONY: proto
proto: deps $(TOOLS)/protoc-gen-go $(TOOLS)/protoc-gen-connect-go
	PATH=$(CURDIR)/$(TOOLS):$$PATH protoc -I proto --go_out=. --go_opt=module=l2gw \
	  --connect-go_out=. --connect-go_opt=module=l2gw,package_suffix= $(PROTO)

## proto-check: fail if the generated code is not that of proto/
.PHONY: proto-check
proto-check: proto
	@git diff --exit-code -I '^// .protoc ' -- internal/fabric/fabricpb || { \
	  echo "internal/fabric/fabricpb is not what proto/ generates: commit what make proto made" >&2; exit 1; }

# What tests with networks of their own find out after minutes otherwise.
.PHONY: machine
machine:
	@scripts/check-machine

## deps: the Debian packages that tests need; does nothing when they are there
.PHONY: deps
deps:
	@scripts/install-test-deps.sh

## clean: remove what was built
.PHONY: clean
clean:
	rm -rf bin

## help: this list
.PHONY: help
help:
	@sed -n 's/^## \([a-z-]*\): /\1\t/p' Makefile | expand -t 16

# The tools have a module of their own, so that the product's stays small.
# Building them takes a minute or two; they are kept until their versions change.
$(TOOLS)/golangci-lint: tools/go.mod
	@mkdir -p $(TOOLS)
	@echo "Building golangci-lint, once"
	cd tools && go build -o ../$@ github.com/golangci/golangci-lint/v2/cmd/golangci-lint

$(TOOLS)/gofumpt: tools/go.mod
	@mkdir -p $(TOOLS)
	cd tools && go build -o ../$@ mvdan.cc/gofumpt

$(TOOLS)/protoc-gen-go: tools/go.mod
	@mkdir -p $(TOOLS)
	cd tools && go build -o ../$@ google.golang.org/protobuf/cmd/protoc-gen-go

$(TOOLS)/protoc-gen-connect-go: tools/go.mod
	@mkdir -p $(TOOLS)
	cd tools && go build -o ../$@ connectrpc.com/connect/cmd/protoc-gen-connect-go
