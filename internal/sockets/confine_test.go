package sockets

import (
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

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
		if err := confine(); err != nil {
			t.Fatal(err)
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
	version, _, e := unix.Syscall(unix.SYS_LANDLOCK_CREATE_RULESET, 0, 0, unix.LANDLOCK_CREATE_RULESET_VERSION)
	if e != 0 || version < 4 {
		tmuxtest.Skip(t, "needs Landlock, version 4: %d, %v", version, e)
	}
	program := filepath.Join(t.TempDir(), "confined")
	build := exec.Command("go", "test", "-c", "-o", program, ".")
	build.Env = append(os.Environ(), "CGO_ENABLED=0") // as muxward is built
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for how, want := range map[string]bool{"confined": false, "control": true} {
		cmd := exec.Command(program, "-test.run=^TestConfinedInside$", "-test.v")
		cmd.Env = append(os.Environ(), confinedAt+"="+how+" "+t.TempDir())
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Errorf("%s: %v\n%s", how, err, out)
		}
		for _, what := range []string{"read", "write", "start", "connect"} {
			if strings.Contains(string(out), "can: "+what) != want {
				t.Errorf("%s, %s:\n%s", how, what, out)
			}
		}
	}
}
