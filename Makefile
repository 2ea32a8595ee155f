# muxward: `make run` to see it, `make test` to check it. Everything else is
# here for those who change it. HACKING.md says more.

GO       ?= go
VERSION  := $(shell git describe --tags --always --dirty 2>/dev/null || echo devel)
LDFLAGS  := -s -w -X main.version=$(VERSION)
# Tests start many tmux servers, and wait more than they work: two packages at a
# time is what two cores take, and keeps the suite within its twenty minutes.
# Most of a story's time is waiting, so twice as many run at once as there are processors.
TESTFLAGS ?= -count=1 -p 2 -parallel $(shell echo $$(($$(nproc) * 2))) -timeout 30m

# Where install puts what build has made. DESTDIR is for packages.
PREFIX  ?= /usr/local
DESTDIR ?=

.PHONY: all build install uninstall packages packages-twice package-test login-test fleet-test run test race soak versions bench lint fuzz setup setup-test clean man

all: build

# setup installs what building and running need and what is not there yet, and
# says so. It needs root (or sudo) only if something is missing.
setup:
	@scripts/setup

# setup-test installs what the tests need besides.
setup-test:
	@scripts/setup test

build: setup
	@mkdir -p bin
	CGO_ENABLED=0 $(GO) build -tags= -trimpath -ldflags '$(LDFLAGS)' -o bin/ ./cmd/muxward
	CGO_ENABLED=0 $(GO) build -tags= -trimpath -ldflags '-s -w' -o bin/ ./cmd/muxward-pane
	CGO_ENABLED=0 $(GO) build -tags= -trimpath -ldflags '-s -w' -o bin/ ./cmd/muxward-helper
	CGO_ENABLED=1 $(GO) build -tags= -trimpath -ldflags '-s -w' -o bin/ ./cmd/muxward-pam

# install copies what build has made: programs, man pages, completions. muxward setup
# does the rest on the host. muxward-helper and muxward-pane are installed if they were built.
install:
	@test -x bin/muxward || { echo "bin/muxward is not there: make build first" >&2; exit 1; }
	install -d '$(DESTDIR)$(PREFIX)/bin' '$(DESTDIR)$(PREFIX)/libexec' '$(DESTDIR)$(PREFIX)/share/man/man1' \
		'$(DESTDIR)$(PREFIX)/share/bash-completion/completions' '$(DESTDIR)$(PREFIX)/share/zsh/site-functions' \
		'$(DESTDIR)$(PREFIX)/share/fish/vendor_completions.d'
	install -m 0755 bin/muxward '$(DESTDIR)$(PREFIX)/bin/muxward'
	for p in muxward-pam muxward-helper muxward-pane; do test ! -x bin/$$p || install -m 0755 bin/$$p '$(DESTDIR)$(PREFIX)/libexec/'$$p || exit 1; done
	install -m 0644 docs/man/*.1 '$(DESTDIR)$(PREFIX)/share/man/man1/'
	bin/muxward completion bash >'$(DESTDIR)$(PREFIX)/share/bash-completion/completions/muxward'
	bin/muxward completion zsh >'$(DESTDIR)$(PREFIX)/share/zsh/site-functions/_muxward'
	bin/muxward completion fish >'$(DESTDIR)$(PREFIX)/share/fish/vendor_completions.d/muxward.fish'
	chmod 0644 '$(DESTDIR)$(PREFIX)/share/bash-completion/completions/muxward' \
		'$(DESTDIR)$(PREFIX)/share/zsh/site-functions/_muxward' '$(DESTDIR)$(PREFIX)/share/fish/vendor_completions.d/muxward.fish'

# uninstall removes what install has copied. muxward uninstall comes first.
uninstall:
	rm -f '$(DESTDIR)$(PREFIX)/bin/muxward' '$(DESTDIR)$(PREFIX)/libexec/muxward-pam' '$(DESTDIR)$(PREFIX)/libexec/muxward-helper' '$(DESTDIR)$(PREFIX)/libexec/muxward-pane' \
		'$(DESTDIR)$(PREFIX)/share/bash-completion/completions/muxward' '$(DESTDIR)$(PREFIX)/share/zsh/site-functions/_muxward' \
		'$(DESTDIR)$(PREFIX)/share/fish/vendor_completions.d/muxward.fish'
	cd docs/man && for p in *.1; do rm -f '$(DESTDIR)$(PREFIX)/share/man/man1/'$$p; done

# packages makes a .deb and an .rpm in dist. packages-twice makes them twice, from nothing and
# in two places, and sees that they are the same; it takes some minutes.
packages: setup
	@GO='$(GO)' scripts/packages

packages-twice: setup
	@GO='$(GO)' scripts/packages twice

# package-test installs the .deb in an empty Debian, locks that down, and removes it again.
# It needs root, debootstrap and a mirror.
package-test: packages
	@scripts/package-test

# login-test boots a Debian with systemd, and asks fresh logins of each kind for their
# environment. It needs what package-test needs.
login-test: packages
	@scripts/login-test

# fleet-test has the real ansible-playbook keep five hosts, which are Debians in namespaces
# on this machine. It needs root, debootstrap, a mirror, ansible and sshd.
fleet-test: packages
	@scripts/fleet-test

# run starts muxward for your own account, with a session to look at.
run: build
	@scripts/demo

# What was skipped is collected and told at the end: go test keeps it to itself.
test race soak: export MUXWARD_SKIPPED := $(CURDIR)/.skipped
TELL = status=$$?; test ! -s .skipped || { echo "skipped: $$(wc -l <.skipped) tests"; cat .skipped; }; rm -f .skipped; exit $$status

# The packages that take longest begin first: the others run behind them.
test: setup-test build lint
	@rm -f .skipped
	$(GO) test $(TESTFLAGS) ./test/attack ./test/script ./...; $(TELL)

race: setup-test
	@rm -f .skipped
	$(GO) test -race $(TESTFLAGS) ./...; $(TELL)

# soak runs the same tests with the full counts. It takes hours.
soak: setup-test build
	@rm -f .skipped
	MUXWARD_SOAK=1 $(GO) test -count=1 -timeout 12h -p 1 ./...; $(TELL)

# versions runs the tests that start tmux with each of VERSIONS="path path ...".
versions: setup-test
	@GO='$(GO)' TESTFLAGS='$(TESTFLAGS)' scripts/versions $(VERSIONS)

bench: build
	@scripts/bench

lint:
	@out=$$(gofmt -l $$(git ls-files '*.go')); test -z "$$out" || { echo "not gofmt-ed: $$out"; exit 1; }
	$(GO) vet ./...

# fuzz gives every fuzz target FUZZTIME.
FUZZTIME ?= 30s
fuzz: setup-test
	@scripts/fuzz $(FUZZTIME)

man:
	$(GO) test ./cmd/muxward -run TestManPages -update

clean:
	rm -rf bin dist .run
