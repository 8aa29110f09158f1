# edgelb's tasks; `make` lists them. Every tool and version that the project depends on is pinned here, once.

SHELL := /bin/sh
# HAProxy and sshd are where an ordinary user's PATH often does not lead.
export PATH := $(PATH):/usr/local/sbin:/usr/sbin:/sbin
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

IMG ?= ghcr.io/edgelb/edgelb:latest
FUZZTIME ?= 10s
CONTAINER_TOOL ?= docker
KUBECTL ?= kubectl

KUBERNETES_VERSION := v1.36.3
ETCD_VERSION := v3.6.5
CONTROLLER_GEN_VERSION := v0.23.0
GOLANGCI_LINT_VERSION := v2.15.0

# File names carry versions, so that a new pin is a new file and an old one is never mistaken for it.
BIN := $(CURDIR)/bin
CONTROL_PLANE := $(BIN)/control-plane-$(KUBERNETES_VERSION)-etcd-$(ETCD_VERSION)
CONTROLLER_GEN := $(BIN)/controller-gen-$(CONTROLLER_GEN_VERSION)
GOLANGCI_LINT := $(BIN)/golangci-lint-$(GOLANGCI_LINT_VERSION)

SHELL_SCRIPTS = $(wildcard hack/*.sh internal/*/*/*.sh) .ci/run

# Programs that tests and the demo run, besides Go. Debian hosts in network namespaces need root.
RUN_PROGRAMS := haproxy ip sshd
TEST_PROGRAMS := $(RUN_PROGRAMS) bash busybox cc faketime openssl
ifeq ($(shell id -u),0)
TEST_PROGRAMS += debootstrap
TEST_ROOTS := debian-roots
endif

##@ Try it

.PHONY: demo
demo: require-go control-plane build ## Bring up a whole edge on this machine and show it at work; ONCE=1 does not stay up.
	@hack/host-packages.sh $(RUN_PROGRAMS)
	@CGO_ENABLED=0 go build -o $(BIN)/demo ./hack/demo
	@$(BIN)/demo $(if $(ONCE),-once)

.PHONY: bench
bench: require-go control-plane build ## Measure it, in a quarter of an hour; ONLY=a,c does some parts, JSON=FILE says where to (bin/bench.json).
	@hack/host-packages.sh $(RUN_PROGRAMS)
	@CGO_ENABLED=0 go build -o $(BIN)/bench ./hack/bench
	@$(BIN)/bench $(if $(ONLY),-only $(ONLY)) -json $(or $(JSON),$(BIN)/bench.json)

##@ Develop

.PHONY: build
build: require-go ## Build the operator into bin/edgelb.
	CGO_ENABLED=0 go build -trimpath -o $(BIN)/edgelb .

.PHONY: test
test: require-go control-plane host-packages $(TEST_ROOTS) ## Prepare what is missing and run every test.
	go test -race -p 2 -timeout 50m ./...

.PHONY: fault
fault: require-go control-plane host-packages $(TEST_ROOTS) ## Break things at more steps of each change than test does.
	go test -race -count=1 -timeout 60m -run '^TestFault$$' ./test/e2e -whole

.PHONY: fuzz
fuzz: require-go ## Run each fuzz target for FUZZTIME (10s).
	@grep -rn '^func Fuzz' --include='*_test.go' . \
	| sed -E 's|^(.*)/[^/]*:[0-9]+:func (Fuzz[A-Za-z0-9_]*).*$$|\1 \2|' \
	| while read -r package name; do \
		echo "$$package $$name"; \
		go test -run '^$$' -fuzz "^$$name\$$" -fuzztime $(FUZZTIME) "$$package" </dev/null || exit 1; \
	done

.PHONY: generate
generate: $(CONTROLLER_GEN) ## Generate the deep copies of the API's types.
	$(CONTROLLER_GEN) object paths=./api/...

.PHONY: manifests
manifests: $(CONTROLLER_GEN) ## Generate the CRD from the API's types.
	$(CONTROLLER_GEN) crd paths=./api/... output:crd:dir=config/crd/bases

.PHONY: lint
lint: $(GOLANGCI_LINT) ## Run golangci-lint.
	$(GOLANGCI_LINT) run

.PHONY: lint-scripts
lint-scripts: ## Run shellcheck over the shell scripts.
	@hack/host-packages.sh shellcheck
	shellcheck $(SHELL_SCRIPTS)

.PHONY: verify
verify: require-go generate manifests lint lint-scripts ## Regenerate and check everything; fail if that changes a file.
	@unformatted=$$(git ls-files -co --exclude-standard '*.go' | xargs gofmt -l); \
		[ -z "$$unformatted" ] || { echo "not gofmt'ed: $$unformatted" >&2; exit 1; }
	go vet ./...
	go mod tidy -diff
	@git --no-pager diff --exit-code HEAD
	@untracked=$$(git ls-files -o --exclude-standard); \
		[ -z "$$untracked" ] || { echo "not committed: $$untracked" >&2; exit 1; }

##@ Install into a cluster

.PHONY: install
install: ## Install the CRD into the cluster of KUBECONFIG.
	$(KUBECTL) kustomize config/crd | $(KUBECTL) apply --server-side -f -

.PHONY: deploy
deploy: ## Install the operator, as image IMG, into the cluster of KUBECONFIG.
	$(KUBECTL) kustomize config/default | sed 's|ghcr.io/edgelb/edgelb:latest|$(IMG)|' | $(KUBECTL) apply --server-side -f -

.PHONY: undeploy
undeploy: ## Remove the operator and the CRD, and with it every EdgeLoadBalancer.
	@! $(KUBECTL) get crd edgeloadbalancers.edgelb.io >/dev/null 2>&1 || \
		$(KUBECTL) delete edgeloadbalancers.edgelb.io --all --all-namespaces
	$(KUBECTL) kustomize config/default | $(KUBECTL) delete --ignore-not-found -f -

.PHONY: docker-build
docker-build: ## Build the operator's image IMG.
	$(CONTAINER_TOOL) build -t $(IMG) .

##@ Prepare

.PHONY: require-go
require-go: ## Say so if Go is missing or older than go.mod wants.
	@hack/require-go.sh

.PHONY: host-packages
host-packages: ## Install what the tests run on this machine (root and apt), or name what is missing.
	@hack/host-packages.sh $(TEST_PROGRAMS)

.PHONY: control-plane
control-plane: require-go ## Build kube-apiserver, kube-controller-manager, kubectl and etcd; once, some minutes.
	@hack/control-plane.sh $(CONTROL_PLANE) $(KUBERNETES_VERSION) $(ETCD_VERSION)

.PHONY: tools
tools: $(CONTROLLER_GEN) $(GOLANGCI_LINT) ## Install the pinned tools.

.PHONY: debian-roots
debian-roots: ## Install the Debian 12 and 13 that tests boot edge hosts from (root only; once, some minutes).
	@hack/host-packages.sh debootstrap
	@hack/debian-root.sh $(BIN)/debian-12 bookworm
	@hack/debian-root.sh $(BIN)/debian-13 trixie $(BIN)/haproxy-3.0

.PHONY: clean
clean: ## Remove bin/: tools, control plane, Debian roots.
	rm -rf --one-file-system $(BIN)

.PHONY: help
help: ## List the targets.
	@awk 'BEGIN { FS = ":.*## " } \
		/^##@ / { printf "\n%s\n", substr($$0, 5) } \
		/^[a-z-]+:.*## / { printf "  make %-15s %s\n", $$1, $$2 }' Makefile

# $(call go-install,FILE,PACKAGE,VERSION) installs a program under a file name that carries its version.
define go-install
@hack/require-go.sh
@echo "installing $(notdir $(1))" >&2
@scratch=$$(mktemp -d) && trap 'rm -rf "$$scratch"' EXIT && \
	GOBIN=$$scratch go install $(2)@$(3) && mkdir -p $(BIN) && mv "$$scratch"/* $(1)
endef

$(CONTROLLER_GEN):
	$(call go-install,$@,sigs.k8s.io/controller-tools/cmd/controller-gen,$(CONTROLLER_GEN_VERSION))

$(GOLANGCI_LINT):
	$(call go-install,$@,github.com/golangci/golangci-lint/v2/cmd/golangci-lint,$(GOLANGCI_LINT_VERSION))
