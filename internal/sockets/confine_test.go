package sockets

import (
	"context"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/muxward/muxward/internal/soak"
	"github.com/muxward/muxward/internal/tmux/tmuxtest"
)

const confinedAt = "MUXWARD_TEST_CONFINED"

// TestConfinedInside is what the other test runs: it tells what it can still do.
func TestConfinedInside(t *testing.T) {
	how := os.Getenv(confinedAt)
	if how == "" {
		return
	}
	how, dir, _ := strings.Cut(how, " ")
	at, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer at.Close()
	if how == "confined" {
		if files, err := confine(); files || err != nil {
			t.Fatal(files, err)
		}
	}
	ends := func(what string, err error) {
		if err == nil {
			t.Logf("can: %s", what)
		}
	}
	for range 20 { // on whichever thread
		_, err := os.ReadFile("/etc/passwd")
		ends("read", err)
	}
	for range 20 {
		ends("rights", unix.Chroot("/"))
	}
	ends("write", os.WriteFile(dir+"/x", nil, 0o600))
	ends("start", exec.Command("/bin/true").Run())
	c, err := net.Dial("tcp", at.Addr().String())
	if ends("connect", err); err == nil {
		_ = c.Close()
	}
}

// Who asks a server can open no file, start no program and connect to no network any
// more, whatever a server makes of it. In the control run all of that can be done.
func TestConfine(t *testing.T) {
	if !soak.Full() {
		tmuxtest.Skip(t, "it builds this test anew, without cgo; SK-20 sees that who asks is confined")
	}
	version, _, e := unix.Syscall(unix.SYS_LANDLOCK_CREATE_RULESET, 0, 0, unix.LANDLOCK_CREATE_RULESET_VERSION)
	if e != 0 || version < 4 {
		tmuxtest.Skip(t, "needs Landlock, version 4: %d, %v", version, e)
	}
	program := filepath.Join(t.TempDir(), "confined")
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	build := exec.CommandContext(ctx, "go", "test", "-c", "-o", program, ".")
	build.Env = append(os.Environ(), "CGO_ENABLED=0") // as muxward is built
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for how, want := range map[string]bool{"confined": false, "control": true} {
		cmd := exec.CommandContext(ctx, program, "-test.run=^TestConfinedInside$", "-test.v")
		cmd.Env = append(os.Environ(), confinedAt+"="+how+" "+t.TempDir())
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Errorf("%s: %v\n%s", how, err, out)
		}
		all := []string{"read", "write", "start", "connect"}
		if os.Geteuid() == 0 {
			all = append(all, "rights")
		}
		for _, what := range all {
			if strings.Contains(string(out), "can: "+what) != want {
				t.Errorf("%s, %s:\n%s", how, what, out)
			}
		}
	}
}
