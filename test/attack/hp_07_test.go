package attack

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/muxward/muxward/internal/tmux/tmuxtest"
	"github.com/muxward/muxward/test/host"
)

// nextRelease builds a program as it would be with another version of the helper's protocol.
func nextRelease(t *testing.T, dir, name string) {
	t.Helper()
	source, err := filepath.Abs("../../internal/privsep/message.go")
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(source)
	if err != nil {
		t.Fatal(err)
	}
	version := regexp.MustCompile(`(?m)^const Version = \d+$`)
	if !version.Match(text) {
		t.Fatal("the protocol has no version")
	}
	other := filepath.Join(dir, "message.go")
	overlay, err := json.Marshal(map[string]any{"Replace": map[string]string{source: other}})
	if err = errors.Join(err, os.WriteFile(other, version.ReplaceAll(text, []byte("const Version = 250")), 0o600),
		os.WriteFile(dir+"/overlay.json", overlay, 0o600)); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "go", "build", "-trimpath", "-overlay", dir+"/overlay.json", "-ldflags", "-s -w", "-o", filepath.Join(dir, "next-"+name),
		"github.com/muxward/muxward/cmd/"+name)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
}

func copyProgram(t *testing.T, from, to string) {
	t.Helper()
	data, err := os.ReadFile(from)
	if err == nil {
		err = tmuxtest.WriteProgram(to+".new", data, 0o755)
	}
	if err == nil {
		err = os.Rename(to+".new", to) // as package managers do, under whoever runs it
	}
	if err != nil {
		t.Fatal(err)
	}
}

// Half of a release is installed under a muxward that runs: one of its two programs speaks
// another protocol. What runs goes on; what is started then is refused and says what to do; no
// session is lost, and with both of one release, the old or the new, they are there again. That
// is the control run: only that they differ is refused.
func TestHP07HalfAnUpgrade(t *testing.T) {
	t.Parallel()
	first := host.Start(t, host.Config{Account: host.Ward}) // has both built
	built := filepath.Dir(first.Bin())
	first.Stop()
	dir := tmuxtest.Dir(t, tmuxtest.Account{})
	program, helper := dir+"/muxward", dir+"/muxward-helper"
	copyProgram(t, built+"/muxward", program)
	copyProgram(t, built+"/muxward-helper", helper)
	nextRelease(t, dir, "muxward")
	nextRelease(t, dir, "muxward-helper")
	h := host.Start(t, host.Config{Account: host.Ward, Program: program})
	h.Must(host.Alice, "new-session", "-d", "-s", "work", "cat")
	there := func(what string) {
		t.Helper()
		if got := h.Must(host.Alice, "ls", "-F", "#S #{pid}"); !strings.HasPrefix(got, "work ") {
			t.Errorf("%s: %q", what, got)
		}
	}
	pid := h.Must(host.Alice, "display-message", "-p", "#{pid}")
	lives := func(what string) {
		t.Helper()
		if _, err := os.Stat("/proc/" + pid); err != nil {
			t.Errorf("%s: alice's server has ended: %v", what, err)
		}
	}
	for _, half := range []string{"muxward", "muxward-helper"} {
		copyProgram(t, dir+"/next-"+half, dir+"/"+half)
		there(half + " is replaced")
		if err := unix.Kill(h.Daemon(), unix.SIGKILL); err != nil {
			t.Fatal(err)
		}
		h.Stopped()
		lives(half)
		if err := h.TryRun(); err == nil || !strings.Contains(err.Error(), "both of one release") {
			t.Errorf("%s of the next release is taken: %v", half, err)
			h.Stop()
		}
		lives(half)
		copyProgram(t, built+"/"+half, dir+"/"+half)
		h.Run()
		there("both are old")
		if now := h.Must(host.Alice, "display-message", "-p", "#{pid}"); now != pid {
			t.Errorf("alice has another server: %s, and had %s", now, pid)
		}
	}
	copyProgram(t, dir+"/next-muxward", program)
	copyProgram(t, dir+"/next-muxward-helper", helper)
	h.Stop()
	h.Run()
	there("both are new")
	lives("both are new")
}
