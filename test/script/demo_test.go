package script

import (
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/muxward/muxward/internal/tmux/tmuxtest"
	"github.com/muxward/muxward/test/host"
)

// TestDemo: `make run`, less the building, in a directory of alice's: it says
// how to join, she joins by those very lines, and when it is interrupted
// nothing is left of it.
func TestDemo(t *testing.T) {
	alice := tmuxtest.As(t, host.Alice)
	dir := tmuxtest.Dir(t, alice)
	for _, name := range []string{"scripts", "bin", "tmp"} {
		if err := os.Mkdir(filepath.Join(dir, name), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Chown(dir+"/tmp", int(alice.UID), int(alice.GID)); err != nil {
		t.Fatal(err)
	}
	for to, from := range map[string]string{"scripts/demo": "../../scripts/demo", "bin/muxward": host.Build(t, "")} {
		data, err := os.ReadFile(from)
		if err == nil {
			err = tmuxtest.WriteProgram(filepath.Join(dir, to), data, 0o755)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	demo := tmuxtest.Open(t, tmuxtest.TerminalConfig{
		As: alice, Cols: 200, Dir: dir, Rows: 40, Env: []string{"TMPDIR=" + dir + "/tmp", "TMUX=/nowhere,1,0"},
	}, dir+"/scripts/demo")
	demo.WaitFor("tmux attach -t demo")
	demo.WaitFor("who --state ") // the last line
	text := string(demo.Bytes())
	export := regexp.MustCompile(`export TMUX_TMPDIR=\S+`).FindString(text)
	if export == "" {
		t.Fatalf("the demo does not say where: %q", text)
	}
	doors := strings.TrimPrefix(export, "export TMUX_TMPDIR=")
	x := tmuxtest.Open(t, tmuxtest.TerminalConfig{As: alice}, "sh", "-c", export+"\nexec tmux attach -t demo")
	x.WaitFor("[demo]")
	x.Type("echo he''llo\r")
	x.WaitFor("hello")
	for _, line := range []string{" audit tail --state ", " who --state "} {
		cmd := regexp.MustCompile(`\S+/bin/muxward` + line + `\S+`).FindString(text)
		out, err := tmuxtest.Output(alice.Command("sh", "-c", cmd))
		if err != nil || !strings.Contains(out, "mwalice") {
			t.Errorf("%q: %q, %v", cmd, out, err)
		}
	}
	servers, err := filepath.Glob(doors + "/run/servers/*.json")
	if err != nil || len(servers) != 1 {
		t.Fatalf("servers %q, %v", servers, err)
	}
	pid := tmuxOf(t, servers[0])
	demo.Type("\x03")
	if code := demo.ExitCode(); code != 0 {
		t.Errorf("the demo ends with %d: %s", code, demo.Bytes())
	}
	x.ExitCode()
	if left, _ := filepath.Glob(dir + "/tmp/*"); len(left) > 0 {
		t.Errorf("the demo leaves %q", left)
	}
	tmuxtest.Eventually(t, func() bool {
		stat, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
		return err != nil || strings.Contains(string(stat), ") Z ") // who takes it in may be slow
	}, "its tmux server has gone")
}

// tmuxOf reads the process id of a guarded server's record.
func tmuxOf(t *testing.T, record string) int {
	t.Helper()
	data, err := os.ReadFile(record)
	if err != nil {
		t.Fatal(err)
	}
	m := regexp.MustCompile(`(?i)"pid":\s*([0-9]+)`).FindSubmatch(data)
	if m == nil {
		t.Fatalf("no process in %s", data)
	}
	pid, err := strconv.Atoi(string(m[1]))
	if err != nil {
		t.Fatal(err)
	}
	tmuxtest.KillAtEnd(t, pid)
	return pid
}
