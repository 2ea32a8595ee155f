package tmuxtest

import (
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
	"golang.org/x/sys/unix"
)

func TestMain(m *testing.M) { os.Exit(Accounts(m)) }

func checkLeaks(t *testing.T) {
	t.Helper()
	// The reaper's pipe and its goroutines, if any, live as long as we do.
	ignore := goleak.IgnoreCurrent()
	t.Cleanup(func() { goleak.VerifyNone(t, ignore) })
}

func TestServerRunsAndIsGone(t *testing.T) {
	for _, daemon := range []bool{false, true} {
		t.Run(fmt.Sprint("daemon ", daemon), func(t *testing.T) {
			checkLeaks(t)
			var s *Server
			t.Run("life", func(t *testing.T) {
				s = Start(t, Config{Daemon: daemon, Conf: "set -g @x conf\n", Env: []string{"MARK=1"}})
				if got := s.Run("show", "-gv", "@x"); got != "conf\n" {
					t.Errorf("option from the configuration: %q", got)
				}
				if pane := s.NewSession("one", ""); pane != "%0" {
					t.Errorf("pane %q, want %%0", pane)
				}
				if _, err := s.Try("has-session", "-t", "=two"); err == nil {
					t.Error("a session that is not there")
				}
				if got := s.Run("show-environment", "-g", "MARK"); got != "MARK=1\n" {
					t.Errorf("environment: %q", got)
				}
				s.Stop() // and leave it so
				if !s.Alive() {
					t.Error("a stopped server is alive")
				}
			})
			if s.Alive() {
				t.Error("the server survived its test")
			}
			if _, err := os.Stat(filepath.Dir(s.Socket)); err == nil {
				t.Error("its directory survived")
			}
		})
	}
}

func TestRecorder(t *testing.T) {
	checkLeaks(t)
	s := Start(t, Config{})
	r := NewRecorder(t)
	pane := s.NewSession("rec", r.Command())
	r.WaitReady()
	all := make([]string, 256)
	for i := range all {
		all[i] = fmt.Sprintf("%02x", i)
	}
	s.Run(append([]string{"send-keys", "-t", pane, "-H"}, all...)...)
	r.WaitLen(256)
	for i, b := range r.Bytes() {
		if int(b) != i {
			t.Fatalf("byte %d is %#x", i, b)
		}
	}
	if got := r.MD5(); got != "e2c865db4162bed963bfaa9ef6ac18f0" {
		t.Errorf("md5 of all bytes: %s", got)
	}
}

func TestTerminal(t *testing.T) {
	checkLeaks(t)
	s := Start(t, Config{})
	r := NewRecorder(t)
	s.NewSession("one", r.Command())
	r.WaitReady()
	x := s.Attach(t, TerminalConfig{Cols: 60, Rows: 10}, "attach-session", "-t", "one")
	x.WaitFor("recording")
	before := x.Termios()
	if before.Lflag&unix.ICANON != 0 {
		t.Error("the terminal is not raw while attached")
	}
	x.Type("añ")
	r.WaitLen(3)
	if got := string(r.Bytes()); got != "añ" {
		t.Errorf("typed %q", got)
	}
	x.Resize(40, 8)
	Eventually(t, func() bool {
		return s.Run("display-message", "-p", "-t", "one", "#{client_width} #{window_height}") == "40 7\n"
	}, "the new size is known")
	Eventually(t, func() bool {
		rows := x.Screen()
		return len(rows) == 8 && strings.HasPrefix(rows[7], "[one] 0:")
	}, "the status line is in the last row")
	x.Type("\x02d")
	if code := x.ExitCode(); code != 0 {
		t.Errorf("exit code %d", code)
	}
	if got := string(x.Bytes()); !strings.Contains(got, "[detached (from session one)]") {
		t.Errorf("last words: %q", got[max(0, len(got)-60):])
	}
	if tio := x.Termios(); tio.Lflag&unix.ICANON == 0 {
		t.Error("the terminal is still raw")
	}
}

func TestTerminalThatStopsReading(t *testing.T) {
	s := Start(t, Config{})
	s.NewSession("one", "while :; do echo flood; done")
	x := s.Attach(t, TerminalConfig{}, "attach-session", "-t", "one")
	x.WaitFor("flood")
	x.Pause()
	n := 0
	Eventually(t, func() bool { was := n; n = x.Len(); return n == was }, "reading stops")
	x.Resume()
	Eventually(t, func() bool { return x.Len() > n }, "reading goes on")
}

func TestProgramThatFails(t *testing.T) {
	x := Open(t, TerminalConfig{}, "sh", "-c", "echo wide 漢字 end; exit 3")
	if code := x.ExitCode(); code != 3 {
		t.Errorf("exit code %d", code)
	}
	if got := x.Screen()[0]; got != "wide 漢字 end" {
		t.Errorf("screen %q", got)
	}
}

func TestAccounts(t *testing.T) {
	alice, mallory := As(t, Alice), As(t, Mallory)
	u, err := user.Lookup(Alice)
	if err != nil || u.Uid != fmt.Sprint(alice.UID) {
		t.Errorf("lookup: %v %v", u, err)
	}
	out, err := Output(alice.Command("sh", "-c", "id -un; id -Gn; pwd; touch mine"))
	if want := "mwalice\nmwalice\n" + alice.Home + "\n"; err != nil || out != want {
		t.Errorf("as alice: %q %v", out, err)
	}
	if _, err := Output(mallory.Command("ls", alice.Home)); err == nil {
		t.Error("mallory sees alice's home")
	}

	s := Start(t, Config{As: alice})
	r := NewRecorder(t)
	s.NewSession("hers", r.Command())
	r.WaitReady()
	pid, err := strconv.Atoi(strings.TrimSpace(s.Run("display-message", "-p", "#{pid}"))) // 3.2 has no #{uid}
	if err != nil {
		t.Fatal(err)
	}
	var st unix.Stat_t
	if err := unix.Stat(fmt.Sprintf("/proc/%d", pid), &st); err != nil || st.Uid != alice.UID {
		t.Errorf("server runs as %d (%v)", st.Uid, err)
	}
	if _, err := Output(mallory.Command("tmux", "-S", s.Socket, "ls")); err == nil {
		t.Error("mallory reaches alice's server")
	}
	x := s.Attach(t, TerminalConfig{}, "attach-session")
	x.WaitFor("recording")
}

// The client's standard output is in flight to a server that stands still, so
// that killing the client alone does not end what reads from it.
func TestOutputOfACommandThatHangs(t *testing.T) {
	checkLeaks(t)
	s := Start(t, Config{})
	s.Stop()
	if _, err := output(s.command("-S", s.Socket, "list-sessions"), 50*time.Millisecond); err == nil {
		t.Error("a stopped server answered")
	}
}

func TestDirIsRemovedWhateverItsModes(t *testing.T) {
	var dir string
	t.Run("its test", func(t *testing.T) {
		dir = Dir(t, Account{})
		for _, sub := range []string{"a", "a/b", "a/b/c"} {
			if err := os.Mkdir(filepath.Join(dir, sub), 0o700); err != nil {
				t.Fatal(err)
			}
		}
		for _, sub := range []string{"a/b", "a"} {
			if err := os.Chmod(filepath.Join(dir, sub), 0); err != nil {
				t.Fatal(err)
			}
		}
	})
	if _, err := os.Stat(dir); err == nil {
		t.Error("it is still there")
	}
}

func TestKillAtEnd(t *testing.T) {
	cmd := Account{}.Command("sleep", "1000")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Run("its test", func(t *testing.T) { KillAtEnd(t, cmd.Process.Pid) })
	if err := cmd.Wait(); err == nil || cmd.ProcessState.ExitCode() != -1 {
		t.Errorf("ended by itself: %v", err)
	}
}

func TestSkippedAreCounted(t *testing.T) {
	file := filepath.Join(base(t), skipFile)
	before, _ := os.ReadFile(file) // may not be there yet
	all := filepath.Join(t.TempDir(), "all")
	t.Setenv(skippedVar, all)
	t.Run("one", func(t *testing.T) { Skip(t, "to see that %s is counted", "it") })
	after, err := os.ReadFile(file)
	if err != nil || !strings.Contains(string(after[len(before):]), "TestSkippedAreCounted/one: to see") {
		t.Errorf("skipped list %q, %v", after, err)
	}
	if list, err := os.ReadFile(all); err != nil || string(list) != "tmuxtest.test TestSkippedAreCounted/one: to see that it is counted\n" {
		t.Errorf("of all packages %q, %v", list, err)
	}
	if err := os.WriteFile(file, before, 0o600); err != nil {
		t.Error(err)
	}
}

func TestPictureTellsWhatCanBeSeen(t *testing.T) {
	shows := func(text string) Picture {
		x := Open(t, TerminalConfig{Cols: 20, Rows: 4}, "printf", "%b", text+`\nend`)
		x.ExitCode() // all was printed
		return x.Picture()
	}
	plain := shows(`one two`)
	if want := "one two" + strings.Repeat(" ", 13); plain.Rows[0] != want || plain.Looks[0] != "" {
		t.Errorf("%q, %q", plain.Rows[0], plain.Looks[0])
	}
	if got := (Cursor{Col: 3, Row: 1}); plain.Cursor != got {
		t.Errorf("the cursor is %+v", plain.Cursor)
	}
	for _, same := range []string{
		`one two`, `one\0033[31;1m \0033[mtwo`, `one two \0033[1m  \0033[m`, `\0033[?25l\0033[?25hone two`,
	} {
		if p := shows(same + `\0033[m`); !p.Equal(plain) {
			t.Errorf("%q looks different: %s", same, plain.Differences(p))
		}
	}
	for _, other := range []string{
		`one twO`, `\0033[1mone\0033[m two`, `\0033[34mone\0033[m two`, `\0033[38;5;99mone\0033[m two`, `one\0033[41m \0033[mtwo`, `one\0033[4m \0033[mtwo`,
		`one\0033[7m \0033[mtwo`, `one two\0033[?25l`, `one two\0033[6 q`, `one two\0033[4 q`, `one two\0033[44m\0033[K\0033[m`,
	} {
		if p := shows(other); p.Equal(plain) || plain.Differences(p) == "" {
			t.Errorf("%q looks the same", other)
		}
	}
}

// A program can be run as soon as it is written, whatever else is being started.
func TestWriteProgram(t *testing.T) {
	stop := make(chan struct{})
	var others sync.WaitGroup
	for range 4 {
		others.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
					_ = exec.Command("/bin/true").Run()
				}
			}
		})
	}
	for i := range 100 {
		path := filepath.Join(t.TempDir(), "program")
		if err := WriteProgram(path, []byte("#!/bin/sh\n"), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := exec.Command(path).Run(); err != nil {
			t.Errorf("the program %d: %v", i, err)
			break
		}
	}
	close(stop)
	others.Wait()
}
