package proof

import (
	"context"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/muxward/muxward/internal/identity"
	"github.com/muxward/muxward/internal/tmux/tmuxtest"
)

// A kernel has what it is asked for, or a promise that is lost is named.
func TestKernel(t *testing.T) {
	seen := map[string]bool{}
	for _, p := range Kernel() {
		if seen[p.ID] || len(p.Evidence) == 0 || p.Outcome == Broken && p.Lost == "" {
			t.Errorf("%+v", p)
		}
		seen[p.ID] = true
	}
}

// A guarded server's socket that nobody can connect to is shut; one that others reach is told
// of. The directory is all that is changed in between.
func TestShut(t *testing.T) {
	if os.Geteuid() != 0 {
		tmuxtest.Skip(t, "only root can try a socket as somebody else")
	}
	run, err := os.MkdirTemp("/tmp", "mwproof")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(run)
	dir := filepath.Join(run, "servers", "x")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	socket := filepath.Join(dir, "s")
	tmux := func(args ...string) {
		t.Helper()
		cmd := exec.Command("tmux", append([]string{"-f", "/dev/null", "-S", socket}, args...)...)
		cmd.Env = append(os.Environ(), "TMUX=")
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
	}
	tmux("new-session", "-d", "sleep 600")
	defer tmux("kill-server")
	for _, c := range []struct {
		dir, sock os.FileMode
		want      Outcome
	}{{0o700, 0o600, Holds}, {0o755, 0o666, Broken}, {0o755, 0o600, Holds}, {0o700, 0o666, Holds}} {
		for _, err := range []error{os.Chmod(run, 0o755), os.Chmod(dir, c.dir), os.Chmod(socket, c.sock)} {
			if err != nil {
				t.Fatal(err)
			}
		}
		p := Doors{Run: run, Tmux: "tmux"}.shut(t.Context())
		if len(p) != 1 || p[0].Outcome != c.want {
			t.Errorf("%o %o: %+v, want %s", c.dir, c.sock, p, c.want)
		}
	}
}

// What is not tried is unknown, and says so.
func TestUntried(t *testing.T) {
	all := Doors{Doors: t.TempDir(), Run: t.TempDir()}.Prove(t.Context())
	i := slices.IndexFunc(all, func(p Proof) bool { return p.ID == "MW-V010" })
	if i < 0 || all[i].Outcome != Unknown || !strings.Contains(all[i].Evidence[0], "--as") {
		t.Errorf("%+v", all)
	}
	for _, c := range []struct {
		doors Doors
		want  Outcome
		says  string
	}{
		{Doors{}, Skipped, "none is to have them"},
		{Doors{PAM: true}, Unknown, "--as"},
	} {
		if p := c.doors.untried(); len(p) != 1 || p[0].Outcome != c.want || !strings.Contains(p[0].Evidence[0], c.says) {
			t.Errorf("%+v: %+v", c.doors, p)
		}
	}
}

// A door is muxward's if muxward listens at it: anybody else would answer as well.
func TestListener(t *testing.T) {
	door := filepath.Join(t.TempDir(), "door")
	l, err := net.Listen("unix", door)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	for pid, want := range map[int]Outcome{os.Getpid(): Holds, 1: Broken, 0: Unknown} {
		p := Proof{Outcome: Holds}
		Doors{PID: pid}.listener(&p, door)
		if p.Outcome != want {
			t.Errorf("process %d: %+v", pid, p)
		}
	}
	p := Proof{Outcome: Holds}
	Doors{PID: os.Getpid()}.listener(&p, door+"-none")
	if p.Outcome != Unknown {
		t.Errorf("where nobody listens: %+v", p)
	}
}

// What a login says is found behind a long greeting, and one that never ends takes no more memory than
// is kept of it.
func TestLoginsThatSayMuch(t *testing.T) {
	ask := func(script string) login {
		return login{"MW-V040", "%s", func(ctx context.Context, _ identity.Account) (string, error) {
			return output(exec.CommandContext(ctx, "/bin/sh", "-c", script))
		}}
	}
	greeting := strings.Repeat("welcome ", 1000)
	for script, want := range map[string]Outcome{
		"echo '" + greeting + "'; TMUX_TMPDIR=/d; " + told: Holds,
		"head -c 5000000 /dev/zero":                        Unknown,
	} {
		p := Doors{Doors: "/d"}.asked(t.Context(), ask(script), identity.Account{Name: "a"})
		if p.Outcome != want || len(p.Evidence) != 1 || len(p.Evidence[0]) > 2*maxSaid {
			t.Errorf("%.20s: %s, evidence of %d bytes", script, p.Outcome, len(strings.Join(p.Evidence, "")))
		}
	}
	var h heard
	for range 100 {
		if n, err := h.Write(make([]byte, 5000)); n != 5000 || err != nil {
			t.Fatal(n, err)
		}
	}
	if len(h.all) != maxHeard {
		t.Errorf("%d bytes are kept", len(h.all))
	}
}
