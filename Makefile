# make run    install what is missing, build, open Peregrine
# make test   install what the tests need and run them all (interop asks for root)
# One set of build flags keeps Go's cache warm: a changed flag rebuilds OpenGL's bindings, minutes.

SHELL := /bin/bash
TAGS  := gles nolibopusfile
CGO   := ./app/... ./media/... ./cmd/... .
LAB   := ./internal/lab/... ./mobility/...
ROOT  := $(if $(filter 0,$(shell id -u)),,-exec 'sudo -E')

# scripts/deps.sh puts a Go here when the system's is too old.
GO_HOME := $(or $(PEREGRINE_GO),$(or $(XDG_DATA_HOME),$(HOME)/.local/share)/peregrine/go)
ifneq ($(wildcard $(GO_HOME)/bin/go),)
export PATH := $(GO_HOME)/bin:$(PATH)
endif

# The linter's own modules stay out of go.mod.
LINT := go run github.com/golangci/golangci-lint/v2/cmd/golangci-lint@v2.15.0

.PHONY: run build test vet pure cgo race bench fuzz lint interop interop-table smoke screens notice release clean deps deps-run

run: build
	./bin/peregrine

build: deps-run
	@$(MAKE) --no-print-directory bin/peregrine bin/peregrinectl

# Go knows what is out of date, so these always ask it.
.PHONY: bin/peregrine bin/peregrinectl
bin/peregrine:
	go build -tags "$(TAGS)" -o $@ .
bin/peregrinectl:
	go build -tags "$(TAGS)" -o $@ ./cmd/peregrinectl

test: deps
	@$(MAKE) --no-print-directory vet pure cgo interop smoke

vet:
	go vet -tags "$(TAGS) lab" ./...

# No compiler, no OpenGL, no display: everything but the device drivers.
pure:
	CGO_ENABLED=0 scripts/gotest.sh -tags ci ./...

# What is different with C: microphone and speaker, Opus, and the engine on top of them.
cgo:
	scripts/gotest.sh -tags "$(TAGS)" $(CGO)

race:
	scripts/gotest.sh -race -tags "ci nolibopusfile" ./...

# Real SIP software in network namespaces, and the network watcher on a real kernel.
interop: build deps
	PEREGRINECTL=$(CURDIR)/bin/peregrinectl VERBOSE=1 scripts/gotest.sh -tags "$(TAGS) lab" -timeout 30m -count 1 $(ROOT) $(LAB)

# docs/interop.md anew: every feature against every program that has it.
interop-table: build deps
	go build -o bin/peregrine-lab ./internal/lab/cmd/peregrine-lab
	PEREGRINECTL=$(CURDIR)/bin/peregrinectl $(if $(filter 0,$(shell id -u)),,sudo -E) bin/peregrine-lab interop

# The real window on an X server without a screen, used as a newcomer would (asks for root).
DESKTOP = PEREGRINE_BIN=$(CURDIR)/bin VERBOSE=1 scripts/gotest.sh -tags "$(TAGS) lab" -timeout 15m -count 1 $(ROOT)
smoke: build deps
	scripts/smoke.sh
	$(DESKTOP) ./internal/desktop

# The same, with its pictures in docs/screens.
screens: build deps
	dir=$$(mktemp -d) && PEREGRINE_SCREENS=$$dir $(DESKTOP) -run TestNewcomer ./internal/desktop && \
	  mkdir -p docs/screens && cp $$dir/*.png docs/screens/ && rm -rf "$$dir"

# Peregrine beside baresip in one run (asks for root), then start, memory and idle, then the parts.
bench: build deps
	PEREGRINECTL=$(CURDIR)/bin/peregrinectl go test -tags "$(TAGS) lab" $(ROOT) -run '^$$' \
	  -bench 'CallSetup' -benchtime 200x ./internal/lab
	PEREGRINECTL=$(CURDIR)/bin/peregrinectl go test -tags "$(TAGS) lab" $(ROOT) -run '^$$' \
	  -bench 'OpusCall|Requests|Registration' -benchtime 3x ./internal/lab
	PEREGRINECTL=$(CURDIR)/bin/peregrinectl go test -tags "$(TAGS) lab" $(ROOT) -run '^$$' \
	  -bench 'Sound' -benchtime 1x ./internal/lab
	scripts/smoke.sh --bench
	go test -tags "$(TAGS)" -run '^$$' -bench . -benchmem ./...

# FUZZTIME=5m make fuzz
fuzz:
	scripts/fuzz.sh "$(or $(FUZZTIME),20s)"

lint:
	$(LINT) run --build-tags "gles,nolibopusfile,lab" ./...
	scripts/notice.sh --check

notice:
	scripts/notice.sh

# What users get, in dist: no codec library of the system is needed. GOOS=windows make release goes across.
release: deps-run
	scripts/release.sh

deps:
	@scripts/deps.sh test

deps-run:
	@scripts/deps.sh run

clean:
	rm -rf bin dist
