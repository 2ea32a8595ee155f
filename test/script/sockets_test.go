package script

import (
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/muxward/muxward/internal/config"
	"github.com/muxward/muxward/internal/tmux/tmuxtest"
	"github.com/muxward/muxward/test/host"
)

// TestSocketsOfAnAccount: three servers of alice's, of which one crashes and one
// loses its socket to a cleaner. She asks, is told, has it mended, and all that
// lived lives: the same processes, the same sessions, at the same paths. What
// was moved away she can put back.
func TestSocketsOfAnAccount(t *testing.T) {
	alice := tmuxtest.As(t, host.Alice)
	base := tmuxtest.Dir(t, alice)
	dir := fmt.Sprintf("%s/tmux-%d", base, alice.UID)
	run := func(program string, args ...string) (string, error) {
		cmd := alice.Command(program, args...)
		cmd.Env = append(cmd.Env, "TMUX_TMPDIR="+base)
		return tmuxtest.Output(cmd)
	}
	tmux := func(name string, args ...string) string {
		t.Helper()
		out, err := run("tmux", append([]string{"-f", "/dev/null", "-L", name}, args...)...)
		if err != nil {
			t.Fatal(err)
		}
		return strings.TrimSpace(out)
	}
	sockets := func(args ...string) (string, error) {
		return run(host.Build(t, ""), append([]string{"sockets"}, append(args, "--only", base)...)...)
	}
	pids := map[string]string{}
	for _, name := range []string{"live", "crashed", "cleaned"} {
		tmux(name, "new-session", "-d", "-s", "in-"+name, "cat")
		pids[name] = tmux(name, "display-message", "-p", "#{pid}")
		n, err := strconv.Atoi(pids[name])
		if err != nil {
			t.Fatal(err)
		}
		tmuxtest.KillAtEnd(t, n)
	}
	if out, err := sockets("scan"); err != nil || !strings.Contains(out, "3 servers, 3 sockets in 1 directory; 0 findings") {
		t.Fatalf("of three servers that are well it says %v\n%s", err, out)
	}
	n, _ := strconv.Atoi(pids["crashed"]) // it was read above
	if err := syscall.Kill(n, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(dir + "/cleaned"); err != nil {
		t.Fatal(err)
	}
	// It is not called dead before it has been dead for a moment.
	var out string
	var err error
	tmuxtest.Eventually(t, func() bool {
		out, err = sockets("scan")
		return strings.Contains(out, "MW-S001\twarning") && strings.Contains(out, "MW-S002\twarning")
	}, "both are told of")
	if err == nil || !strings.Contains(out, "; 2 findings") || strings.Contains(out, dir+"/live") {
		t.Errorf("it says %v\n%s", err, out)
	}
	if out, err := sockets("fix"); err == nil || !strings.Contains(out, "SIGUSR1") || !strings.Contains(err.Error(), "nothing was done") {
		t.Errorf("without a terminal and without --yes: %v\n%s", err, out)
	}
	if out, err := sockets("fix", "--yes"); err != nil {
		t.Errorf("fix: %v\n%s", err, out)
	}
	for _, name := range []string{"live", "cleaned"} {
		if pid := tmux(name, "display-message", "-p", "-t", "in-"+name, "#{pid}"); pid != pids[name] {
			t.Errorf("%s was process %s and is %s", name, pids[name], pid)
		}
	}
	if out, err := sockets("scan"); err != nil || !strings.Contains(out, "; 0 findings") {
		t.Errorf("after fix: %v\n%s", err, out)
	}
	if out, err := sockets("fix", "--yes"); err != nil || !strings.Contains(out, "nothing that muxward would mend") {
		t.Errorf("a second fix: %v\n%s", err, out)
	}
	if out, err := sockets("fix", "--yes", "--json"); err != nil || out != "[]\n" {
		t.Errorf("a third, in JSON: %v\n%s", err, out)
	}
	moved, err := os.ReadDir(dir + "/.muxward-quarantine")
	if err != nil || len(moved) != 1 {
		t.Fatalf("moved away: %v, %v", moved, err)
	}
	if out, err := run(host.Build(t, ""), "sockets", "restore", dir+"/.muxward-quarantine/"+moved[0].Name()); err != nil || out != dir+"/crashed is back\n" {
		t.Errorf("restore: %v\n%s", err, out)
	}
}

// TestSocketsAsks: alice is shown what would be done and is asked about each step, on
// her terminal. What she says no to stays; what she breaks off at does nothing at all.
func TestSocketsAsks(t *testing.T) {
	alice := tmuxtest.As(t, host.Alice)
	base := tmuxtest.Dir(t, alice)
	dir := fmt.Sprintf("%s/tmux-%d", base, alice.UID)
	var dead []string
	for _, name := range []string{"a", "b", "c"} {
		dead = append(dead, filepath.Join(dir, name))
	}
	if out, err := tmuxtest.Output(alice.Command("sh", "-c", "mkdir -m 700 "+dir+" && for s in a b c; do tmux -f /dev/null -S "+dir+"/$s new-session -d cat; done")); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for _, path := range dead {
		out, err := tmuxtest.Output(alice.Command("tmux", "-S", path, "display-message", "-p", "#{pid}"))
		if err != nil {
			t.Fatal(err)
		}
		pid, err := strconv.Atoi(strings.TrimSpace(out))
		if err != nil {
			t.Fatal(err)
		}
		tmuxtest.KillAtEnd(t, pid)
		if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
	}
	scan := []string{"sockets", "scan", "--settle", "1ns", "--only", base}
	tmuxtest.Eventually(t, func() bool {
		out, _ := tmuxtest.Output(alice.Command(host.Build(t, ""), scan...)) // something is wrong: that is its exit code
		return strings.Count(out, "MW-S001\twarning") == 3
	}, "all three are dead")
	there := func() (names string) {
		for _, path := range dead {
			if _, err := os.Lstat(path); err == nil {
				names += filepath.Base(path)
			}
		}
		return names
	}
	fix := func(answers ...string) {
		t.Helper()
		all := len(there())
		x := tmuxtest.Open(t, tmuxtest.TerminalConfig{Cols: 250, Rows: 50, As: alice}, host.Build(t, ""),
			"sockets", "fix", "--settle", "1ns", "--only", base)
		for i, answer := range answers {
			x.WaitFor(fmt.Sprintf("(%d/%d) MW-S001", i+1, all))
			x.Type(answer)
		}
		tmuxtest.Eventually(t, x.Exited, "fix has ended")
		x.Close()
	}
	for _, c := range []struct {
		answers []string
		want    string
	}{
		{[]string{"y\r", "\x03"}, "abc"},
		{[]string{"y\r", "\x04"}, "abc"},
		{[]string{"q\r"}, "abc"},
		{[]string{"n\r", "y\r", "q\r"}, "ac"}, // what was agreed to before is done
		{[]string{"\r", "a\r"}, "a"},
	} {
		if fix(c.answers...); there() != c.want {
			t.Errorf("after %q there are %q, want %q", c.answers, there(), c.want)
		}
	}
}

// TestSocketsAsksAgain: while alice thinks about a step, what it is about changes: she
// shares the directory with her group on purpose, or another is in its place by then. She
// agreed to neither: it is left alone. In the control run nothing changes.
func TestSocketsAsksAgain(t *testing.T) {
	alice := tmuxtest.As(t, host.Alice)
	for _, c := range []struct{ name, change, mode string }{
		{"nothing", "true", "700"},
		{"shared", "chmod 750 $D", "750"},
		{"another", "mv $D $D.old && mkdir $D && chmod 755 $D", "755"},
		{"made again", "rmdir $D && mkdir $D && chmod 755 $D", "755"},
	} {
		t.Run(c.name, func(t *testing.T) {
			base := tmuxtest.Dir(t, alice)
			dir := fmt.Sprintf("%s/tmux-%d", base, alice.UID)
			sh := func(line string) string {
				t.Helper()
				cmd := alice.Command("sh", "-c", line)
				cmd.Env = append(cmd.Env, "D="+dir)
				out, err := tmuxtest.Output(cmd)
				if err != nil {
					t.Fatalf("%s: %v\n%s", line, err, out)
				}
				return strings.TrimSpace(out)
			}
			sh("mkdir $D && chmod 755 $D")
			x := tmuxtest.Open(t, tmuxtest.TerminalConfig{Cols: 250, Rows: 50, As: alice}, host.Build(t, ""), "sockets", "fix", "--only", base)
			x.WaitFor("(1/1) MW-S005")
			sh(c.change)
			x.Type("y\r")
			tmuxtest.Eventually(t, x.Exited, "fix has ended")
			if got := sh("stat -c %a $D"); got != c.mode {
				t.Errorf("the directory has mode %s, want %s", got, c.mode)
			}
			x.Close()
		})
	}
}

// TestSocketsAsksNow: what alice typed before she was asked answers nothing. In the
// control run she types it when she is asked.
func TestSocketsAsksNow(t *testing.T) {
	alice := tmuxtest.As(t, host.Alice)
	base := tmuxtest.Dir(t, alice)
	dir := fmt.Sprintf("%s/tmux-%d", base, alice.UID)
	if out, err := tmuxtest.Output(alice.Command("sh", "-c", "mkdir "+dir+" && chmod 755 "+dir)); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	mode := func() string {
		t.Helper()
		info, err := os.Stat(dir)
		if err != nil {
			t.Fatal(err)
		}
		return fmt.Sprintf("%o", info.Mode().Perm())
	}
	fix := host.Build(t, "") + " sockets fix --only " + base
	// The shell waits for a line, and so knows that it is there, before fix begins; a
	// second one is in the terminal by then.
	x := tmuxtest.Open(t, tmuxtest.TerminalConfig{Cols: 250, Rows: 50, As: alice}, "sh", "-c", "echo ready; read x; exec "+fix)
	x.WaitFor("ready")
	x.Type("begin\ry\r")
	x.WaitFor("(1/1) MW-S005")
	if got := mode(); got != "755" {
		t.Errorf("before she was asked it has mode %s", got)
	}
	x.Type("n\r")
	tmuxtest.Eventually(t, x.Exited, "fix has ended")
	if got := mode(); got != "755" {
		t.Errorf("after no it has mode %s", got)
	}
	x.Close()
	x = tmuxtest.Open(t, tmuxtest.TerminalConfig{Cols: 250, Rows: 50, As: alice}, "sh", "-c", fix)
	x.WaitFor("(1/1) MW-S005")
	x.Type("y\r")
	tmuxtest.Eventually(t, x.Exited, "fix has ended")
	if got := mode(); got != "700" {
		t.Errorf("control run: after yes it has mode %s", got)
	}
	x.Close()
}

// TestSocketsBesideMuxward: where muxward runs, its doors and the servers behind
// them are in order; a server that alice starts beside them is told of.
func TestSocketsBesideMuxward(t *testing.T) {
	h := host.Start(t, host.Config{Policy: map[string]string{"grants.yaml": shared}})
	h.Must(host.Alice, "new-session", "-d", "-s", "work", "cat")
	inOrder(t, h, host.Alice) // who cannot see who holds the door
	scan := func() host.Result { return h.Muxward("root", "sockets", "scan", "--only", h.Base, "--dir", h.Doors) }
	if r := scan(); r.Code != 0 || !strings.Contains(r.Out, "1 server, ") || !strings.Contains(r.Out, "; 0 findings") {
		t.Errorf("%+v", r)
	}
	beside := tmuxtest.Dir(t, tmuxtest.As(t, host.Alice)) + "/s"
	out, err := tmuxtest.Output(tmuxtest.As(t, host.Alice).Command("tmux", "-f", "/dev/null", "-S", beside, "new-session", "-d", "cat", ";", "display-message", "-p", "#{pid}"))
	if err != nil {
		t.Fatal(err)
	}
	pid, err := strconv.Atoi(strings.TrimSpace(out))
	if err != nil {
		t.Fatal(err)
	}
	tmuxtest.KillAtEnd(t, pid)
	r := h.Muxward("root", "sockets", "scan", "--dir", h.Doors)
	if !strings.Contains(r.Out, fmt.Sprintf("MW-S017\twarning\t%d", tmuxtest.As(t, host.Alice).UID)) || !strings.Contains(r.Out, beside) {
		t.Errorf("%+v", r)
	}
	// Nothing is wrong with, or mended of what is muxward's, even when muxward is not there.
	h.Signal(syscall.SIGKILL)
	tmuxtest.Eventually(t, h.Ended, "muxward has ended")
	if r := scan(); r.Code != 0 || !strings.Contains(r.Out, "; 0 findings") {
		t.Errorf("with muxward gone: %+v", r)
	}
	inner, err := filepath.Glob(h.Doors + "/in-*")
	if err != nil || len(inner) != 1 {
		t.Fatalf("inner doors: %v, %v", inner, err)
	}
	if err := os.Remove(inner[0] + "/s"); err != nil {
		t.Fatal(err)
	}
	if r := scan(); r.Code != 0 || !strings.Contains(r.Out, "; 0 findings") {
		t.Errorf("with muxward and a door gone: %+v", r)
	}
	if r := h.Muxward("root", "sockets", "fix", "--yes", "--settle", "1ns", "--only", h.Base, "--dir", h.Doors, "--state", h.Base+"/elsewhere"); r.Code != 0 || !strings.Contains(r.Out, "nothing that muxward would mend") {
		t.Errorf("with muxward gone: %+v", r)
	}
}

// TestSocketsBesideHelper: the same where muxward runs as an account of its own, and its
// helper has connected to the servers.
func TestSocketsBesideHelper(t *testing.T) {
	h := host.Start(t, host.Config{Account: host.Ward})
	h.Must(host.Alice, "new-session", "-d", "-s", "work", "cat")
	for _, who := range []string{"root", host.Alice} {
		inOrder(t, h, who)
	}
}

// inOrder fails if somebody is told of anything wrong with doors and the servers behind.
func inOrder(t *testing.T, h *host.Host, who string) {
	t.Helper()
	if r := h.Muxward(who, "sockets", "scan", "--only", h.Base, "--dir", h.Doors); r.Code != 0 || !strings.Contains(r.Out, "1 server, ") || !strings.Contains(r.Out, "; 0 findings") {
		t.Errorf("%s: %+v", who, r)
	}
}

// TestSocketsInTheLog: what root has mended is in the log of the muxward that serves from
// the same state directory: who, what and where. Where it cannot be written there it is
// said. Where nobody serves the journal has it alone.
func TestSocketsInTheLog(t *testing.T) {
	h := host.Start(t, host.Config{Policy: map[string]string{"grants.yaml": shared}})
	alice := tmuxtest.As(t, host.Alice)
	base := tmuxtest.Dir(t, tmuxtest.Account{})
	dir := fmt.Sprintf("%s/tmux-%d", base, alice.UID)
	if err := errors.Join(os.Mkdir(dir, 0o755), os.Chown(dir, int(alice.UID), int(alice.GID))); err != nil {
		t.Fatal(err)
	}
	fix := func() host.Result {
		return h.Muxward("root", "sockets", "fix", "--yes", "--only", base, "--state", h.State)
	}
	open := func() {
		if err := os.Chmod(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	mended := func() (asked []string) {
		for _, e := range h.Audit() {
			if e.Kind == "intent" && len(e.Asked) > 1 && e.Asked[1] == "mended" {
				asked = append(asked, e.Person+": "+strings.Join(e.Asked, " "))
			}
		}
		return asked
	}
	want := []string{fmt.Sprintf("root: muxward mended MW-S005 %d %s mended mode was 0755", alice.UID, dir)}
	if r := fix(); r.Code != 0 {
		t.Errorf("fix: %+v", r)
	}
	if got := mended(); !slices.Equal(got, want) {
		t.Errorf("the log has %q, want %q", got, want)
	}
	h.Stop()
	open()
	if r := fix(); r.Code != 0 {
		t.Errorf("with muxward gone: %+v", r)
	}
	serving, err := config.FindServing(h.State)
	if err != nil {
		t.Fatal(err)
	}
	mute, err := net.Listen("unix", base+"/ctl") // that hangs up before it has answered
	if err != nil {
		t.Fatal(err)
	}
	defer mute.Close()
	go func() {
		for {
			conn, err := mute.Accept()
			if err != nil {
				return
			}
			_ = conn.Close()
		}
	}()
	serving.Ctl = base + "/ctl"
	place, kept := h.State, h.State // as an account it says so in RUN, and root's journal is beside its state
	if serving.Account != "" {
		place, kept = h.Doors+"/run", h.State+"-keys"
	}
	if err := serving.Save(place); err != nil {
		t.Fatal(err)
	}
	open()
	if r := fix(); r.Code != 1 || !strings.Contains(r.Err, "1 things that were done are not in muxward's log") {
		t.Errorf("with one that does not answer: %+v", r)
	}
	journal, err := os.ReadFile(kept + "/sockets.jsonl")
	if n := strings.Count(string(journal), `"outcome":"mended"`); err != nil || n != 3 {
		t.Errorf("the journal has %d of 3: %v", n, err)
	}
}
