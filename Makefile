# edgelb's tasks; `make` lists them. Every tool and version that the project depends on is pinned here, once.

SHELL := /bin/sh
# HAProxy and sshd are where an ordinary user's PATH often does not lead.
export PATH := $(PATH):/usr/local/sbin:/usr/sbin:/sbin
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

IMG ?= ghcr.io/edgelb/edgelb:latest
FUZZTIME ?= 10s
CONTAINER_TOOL ?= docker
VERSION ?=
KUBECTL ?= kubectl

KUBERNETES_VERSION := v1.36.3
ETCD_VERSION := v3.6.5
CONTROLLER_GEN_VERSION := v0.23.0
GOLANGCI_LINT_VERSION := v2.15.0
HELM_VERSION := v4.3.1
HUGO_VERSION := v0.162.1
# Of the Go module: v0.316.0 is Prometheus 3.16.0.
PROMTOOL_VERSION := v0.316.0

# File names carry versions, so that a new pin is a new file and an old one is never mistaken for it.
BIN := $(CURDIR)/bin
CONTROL_PLANE := $(BIN)/control-plane-$(KUBERNETES_VERSION)-etcd-$(ETCD_VERSION)
CONTROLLER_GEN := $(BIN)/controller-gen-$(CONTROLLER_GEN_VERSION)
GOLANGCI_LINT := $(BIN)/golangci-lint-$(GOLANGCI_LINT_VERSION)
HELM := $(BIN)/helm-$(HELM_VERSION)
HUGO := $(BIN)/hugo-$(HUGO_VERSION)
PROMTOOL := $(BIN)/promtool-$(PROMTOOL_VERSION)

SHELL_SCRIPTS = $(wildcard hack/*.sh internal/*/*/*.sh) .ci/run

# Programs that tests and the demo run, besides Go. Debian hosts in network namespaces need root.
RUN_PROGRAMS := haproxy ip sshd
# A pair's hosts bring HAProxy, keepalived and sshd of their own.
PAIR_PROGRAMS := ip debootstrap
TEST_PROGRAMS := $(RUN_PROGRAMS) bash busybox bzip2 cc curl faketime jq keepalived nginx openssl python3
# The longest tests begin early, so that none of them runs alone at the end, but after those whose deadlines are those of an API server.
TEST_ORDER := ./config ./controllers/... ./internal/clusters/... ./test/e2e ./test/setup
ifeq ($(shell id -u),0)
TEST_PROGRAMS += debootstrap
TEST_ROOTS := debian-12-roots debian-13-roots setup-tools
endif

##@ Try it

.PHONY: demo
demo: require-go run-packages control-plane build ## Bring up a whole edge on this machine and show it at work; ONCE=1 does not stay up.
	@CGO_ENABLED=0 go build -o $(BIN)/demo ./hack/demo
	@$(BIN)/demo $(if $(ONCE),-once)

.PHONY: demo-pair
demo-pair: require-root require-go pair-packages control-plane debian-roots build ## Show two hosts with virtual addresses that fail over, and how long that takes (root); ONCE=1 does not stay up.
	@CGO_ENABLED=0 go build -o $(BIN)/demo ./hack/demo
	@$(BIN)/demo -pair $(if $(ONCE),-once)

.PHONY: bench
bench: require-go run-packages control-plane build ## Measure it, in a quarter of an hour; ONLY=a,c does some parts, JSON=FILE says where to (bin/bench.json).
	@CGO_ENABLED=0 go build -o $(BIN)/bench ./hack/bench
	@$(BIN)/bench $(if $(ONLY),-only $(ONLY)) -json $(or $(JSON),$(BIN)/bench.json)

##@ Develop

.PHONY: build
build: require-go ## Build the operator into bin/edgelb.
	CGO_ENABLED=0 go build -trimpath -o $(BIN)/edgelb .

.PHONY: test
test: require-go host-packages ## Prepare what is missing and run every test.
	@$(MAKE) --no-print-directory -j 2 control-plane $(HELM) $(PROMTOOL) terraform-outputs $(TEST_ROOTS)
	go test -race -p 2 -timeout 75m $(TEST_ORDER) ./...
	cd hack/terraform && go test ./...
	cd hack/image && go test -count=1 -timeout 20m ./...

.PHONY: fault
fault: require-go host-packages control-plane $(TEST_ROOTS) ## Break things at more steps of each change than test does.
	go test -race -count=1 -timeout 60m -run '^TestFault$$' ./test/e2e -whole
	go test -race -count=1 -timeout 60m ./internal/haproxy/driver -whole

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
manifests: $(CONTROLLER_GEN) control-plane ## Generate the CRDs from the API's types, and dist/ from config/.
	$(CONTROLLER_GEN) crd paths=./api/... output:crd:dir=config/crd/bases
	go run ./hack/chart
	$(CONTROL_PLANE)/kubectl kustomize config/default >dist/install.yaml

.PHONY: docs
docs: manifests ## Generate docs/reference from the CRDs, the table of reasons, the events and the flags.
	go run ./hack/docs

.PHONY: site
site: $(HUGO) ## Build the pages of docs/ as a site into bin/site. The first time builds Hugo, some minutes.
	cd hack/site && $(HUGO) --noBuildLock --cacheDir $(BIN)/site-cache --cleanDestinationDir --panicOnWarning -d $(BIN)/site

.PHONY: site-check
site-check: site ## Follow every link of the built site.
	go run ./hack/site/check $(BIN)/site .

.PHONY: lint
lint: $(GOLANGCI_LINT) ## Run golangci-lint.
	$(GOLANGCI_LINT) run
	cd hack/image && $(GOLANGCI_LINT) run
	cd hack/terraform && $(GOLANGCI_LINT) run

.PHONY: lint-scripts
lint-scripts: ## Run shellcheck over the shell scripts.
	@hack/host-packages.sh shellcheck
	shellcheck $(SHELL_SCRIPTS)

.PHONY: verify
verify: require-go generate manifests docs lint lint-scripts ## Regenerate and check everything; fail if that changes a file.
	@unformatted=$$(git ls-files -co --exclude-standard '*.go' | xargs gofmt -l); \
		[ -z "$$unformatted" ] || { echo "not gofmt'ed: $$unformatted" >&2; exit 1; }
	go vet ./...
	go mod tidy -diff
	cd hack/image && go vet ./... && go mod tidy -diff
	cd hack/terraform && go vet ./... && go mod tidy -diff
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

.PHONY: chart
chart: $(HELM) ## Package the Helm chart as bin/edgelb-1.2.3.tgz for VERSION=v1.2.3, the tag of its image. A commit makes the same bytes.
	@SOURCE_DATE_EPOCH=$${SOURCE_DATE_EPOCH:-$$(git log -1 --format=%ct)} $(HELM) package dist/chart --destination $(BIN) \
		$(if $(VERSION),--version $(VERSION:v%=%) --app-version $(VERSION))

.PHONY: image
image: require-go ## Build the last commit's image into bin/image, an OCI layout, without docker; VERSION=v0.2.0 names it.
	@cd hack/image && go run . build -o $(BIN)/image -version '$(VERSION)'

.PHONY: push
push: image ## Build the last commit's image and push it as IMG, without docker.
	@cd hack/image && go run . push -from $(BIN)/image '$(if $(filter file,$(origin IMG)),,$(IMG))'

.PHONY: docker-build
docker-build: ## Build the operator's image IMG with docker.
	$(CONTAINER_TOOL) build --build-arg VERSION=$(VERSION) --build-arg REVISION=$$(git rev-parse HEAD) -t $(IMG) .

##@ Release

.PHONY: image-check
image-check: require-go host-packages control-plane ## Build a release twice for every architecture, compare, and run its image as a pod (root).
	cd hack/image && go test -count=1 -timeout 60m ./... -whole

.PHONY: release
release: require-go ## Check, and write the files of release VERSION, with their checksums, into bin/release/VERSION.
	@cd hack/image && go run . releasable -version '$(VERSION)'
	@$(MAKE) image-check
	@$(MAKE) chart
	@cd hack/image && go run . release -version '$(VERSION)' -o '$(BIN)/release/$(VERSION)' -kubectl $(CONTROL_PLANE)/kubectl \
		$(BIN)/edgelb-$(VERSION:v%=%).tgz

##@ Prepare

.PHONY: require-go
require-go: ## Say so if Go is missing or older than go.mod wants.
	@hack/require-go.sh

.PHONY: require-root
require-root: ## Say so if this is not root, who alone can boot hosts.
	@[ "$$(id -u)" = 0 ] || { echo 'two Debian hosts are booted, which takes root: run sudo env "PATH=$$PATH" make $(MAKECMDGOALS)' >&2; exit 1; }

# What is missing is said before anything is built, which takes minutes.
.PHONY: run-packages
run-packages: ## Install what the demo and the measurements run on this machine (root and apt), or name what is missing.
	@hack/host-packages.sh $(RUN_PROGRAMS)

.PHONY: pair-packages
pair-packages: ## Install what the demo of a pair runs on this machine (root and apt), or name what is missing.
	@hack/host-packages.sh $(PAIR_PROGRAMS)

.PHONY: host-packages
host-packages: ## Install what the tests run on this machine (root and apt), or name what is missing.
	@hack/host-packages.sh $(TEST_PROGRAMS)

.PHONY: control-plane
control-plane: require-go ## Build kube-apiserver, kube-controller-manager, kubectl and etcd; once, some minutes.
	@hack/control-plane.sh $(CONTROL_PLANE) $(KUBERNETES_VERSION) $(ETCD_VERSION)

.PHONY: tools
tools: $(CONTROLLER_GEN) $(GOLANGCI_LINT) $(HELM) $(PROMTOOL) ## Install the pinned tools.

.PHONY: debian-roots
debian-roots: debian-12-roots debian-13-roots ## Install the Debian 12 and 13 that tests boot edge hosts from, with and without keepalived, and with sshd alone (root only; once, some minutes).

.PHONY: debian-12-roots
debian-12-roots: debootstrap
	@hack/debian-root.sh $(BIN)/debian-12 bookworm
	@hack/keepalived-root.sh $(BIN)/debian-12 $(BIN)/debian-12-keepalived
	@hack/bare-root.sh $(BIN)/debian-12 $(BIN)/debian-12-bare

.PHONY: debian-13-roots
debian-13-roots: debootstrap
	@hack/debian-root.sh $(BIN)/debian-13 trixie $(BIN)/haproxy-3.0
	@hack/keepalived-root.sh $(BIN)/debian-13 $(BIN)/debian-13-keepalived $(BIN)/keepalived-2.3
	@hack/bare-root.sh $(BIN)/debian-13 $(BIN)/debian-13-bare

.PHONY: debootstrap
debootstrap:
	@hack/host-packages.sh debootstrap

.PHONY: terraform-outputs
terraform-outputs: require-go ## Build what evaluates the modules of examples/terraform in tests.
	@cd hack/terraform && CGO_ENABLED=0 go build -trimpath -o $(BIN)/terraform-outputs .

.PHONY: setup-tools
setup-tools: ## Build a busybox like Alpine's and unpack cloud-init, which judge the set-up of edge hosts (once, some minutes).
	@hack/busybox.sh $(BIN)/busybox-alpine
	@hack/cloud-init.sh $(BIN)/cloud-init

.PHONY: clean
clean: ## Remove bin/: tools, control plane, Debian roots.
	rm -rf --one-file-system $(BIN)

.PHONY: help
help: ## List the targets.
	@awk 'BEGIN { FS = ":.*## " } \
		/^##@ / { printf "\n%s\n", substr($$0, 5) } \
		/^[a-z-]+:.*## / { printf "  make %-15s %s\n", $$1, $$2 }' Makefile

# $(call go-install,FILE,PACKAGE,VERSION,FLAGS) installs a program under a file name that carries its version.
define go-install
@hack/require-go.sh
@echo "installing $(notdir $(1))" >&2
@scratch=$$(mktemp -d) && trap 'rm -rf "$$scratch"' EXIT && \
	CGO_ENABLED=0 GOBIN=$$scratch go install -trimpath -ldflags '-s -w' $(4) $(2)@$(3) && mkdir -p $(BIN) && mv "$$scratch"/* $(1)
endef

$(CONTROLLER_GEN):
	$(call go-install,$@,sigs.k8s.io/controller-tools/cmd/controller-gen,$(CONTROLLER_GEN_VERSION))

$(HUGO):
	$(call go-install,$@,github.com/gohugoio/hugo,$(HUGO_VERSION))

$(GOLANGCI_LINT):
	$(call go-install,$@,github.com/golangci/golangci-lint/v2/cmd/golangci-lint,$(GOLANGCI_LINT_VERSION))

$(HELM):
	$(call go-install,$@,helm.sh/helm/v4/cmd/helm,$(HELM_VERSION))

# Without the discovery of Prometheus' targets it takes some 8 minutes of CPU, once.
$(PROMTOOL):
	$(call go-install,$@,github.com/prometheus/prometheus/cmd/promtool,$(PROMTOOL_VERSION),-tags=remove_all_sd)
