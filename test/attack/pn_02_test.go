package attack

import (
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/muxward/muxward/internal/tmux/tmuxtest"
	"github.com/muxward/muxward/test/host"
)

// gotOut tries each line of a file, and gives those that came to something.
func gotOut(list string) (said string) {
	data, err := os.ReadFile(list)
	if err != nil {
		return err.Error()
	}
	for line := range strings.Lines(string(data)) {
		line = strings.TrimSpace(line)
		if what, on, _ := strings.Cut(line, " "); gets(what, on) {
			said += line + "\n"
		}
	}
	return said
}

// gets tries one thing.
func gets(what, on string) bool {
	pid, _ := strconv.Atoi(on) // of what is about a process
	proc := "/proc/" + on + "/"
	opens := func(path string, flags int) bool {
		fd, err := unix.Open(path, flags|unix.O_NOCTTY|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
		if err == nil {
			_ = unix.Close(fd)
		}
		return err == nil
	}
	switch what {
	case "connect":
		for _, network := range []string{"unix", "unixpacket"} {
			if conn, err := net.Dial(network, on); err == nil {
				_ = conn.Close()
				return true
			}
		}
	case "terminal":
		return opens(on, unix.O_RDWR) || opens(on, unix.O_RDONLY) || opens(on, unix.O_WRONLY)
	case "write-in":
		return unix.Access(on, unix.W_OK) == nil || unix.Symlink("/etc/passwd", on+"/planted") == nil
	case "rename":
		return os.Rename(on, on+".away") == nil
	case "signal":
		return unix.Kill(pid, 0) == nil
	case "trace":
		if unix.PtraceSeize(pid) != nil {
			return false
		}
		_ = unix.PtraceDetach(pid) // it ends with us in any case
		return true
	case "memory":
		return opens(proc+"mem", unix.O_RDONLY)
	case "environment":
		f, err := os.Open(proc + "environ")
		if err != nil {
			return false
		}
		defer f.Close()
		n, _ := f.Read(make([]byte, 1))
		return n > 0
	case "descriptors":
		all, err := os.ReadDir(proc + "fd")
		return err == nil && len(all) > 0
	case "become":
		return unix.Setresuid(pid, pid, pid) == nil || unix.Setresgid(pid, pid, pid) == nil
	}
	return false
}

// attempts are lines for gotOut.
type attempts []string

func (a *attempts) each(what string, all ...string) {
	for _, on := range all {
		*a = append(*a, what+" "+on)
	}
}

// glob gives all paths of these patterns, but for those of one account's door.
func glob(mine string, patterns ...string) (all []string) {
	for _, p := range patterns {
		found, _ := filepath.Glob(p) // the patterns are good
		all = append(all, found...)
	}
	return slices.DeleteFunc(all, func(path string) bool { return path == mine })
}

// directories gives those that are in these.
func directories(in ...string) (all []string) {
	for _, dir := range in {
		entries, _ := os.ReadDir(dir) // it is there
		for _, e := range entries {
			if e.IsDir() {
				all = append(all, filepath.Join(dir, e.Name()))
			}
		}
	}
	return all
}

// ofAccount finds a program by its command line and account.
func (w *world) ofAccount(name, argv string) (pid int) {
	w.t.Helper()
	tmuxtest.Eventually(w.t, func() bool {
		out, err := exec.Command("pgrep", "-fx", "-U", fmt.Sprint(tmuxtest.As(w.t, name).UID), argv).Output()
		pid, _ = strconv.Atoi(strings.TrimSpace(string(out))) // none is 0
		return err == nil && pid != 0
	}, "%s runs as %s", argv, name)
	return pid
}

// setUserIDs gives what of muxward's programs has the rights of its owner or group for whoever starts it.
func setUserIDs(t *testing.T, dir string) (out []string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err == nil && info.Mode()&(fs.ModeSetuid|fs.ModeSetgid) != 0 && !d.IsDir() {
			out = append(out, path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// Mallory's account is that of an isolated server's panes, and she has a shell in one. She
// wants the tmux that it is in, muxward and its helper, the other panes, of other servers and carol's on the same one,
// and what lies where muxward keeps its things. In the control run she is in a pane of her own tmux, beside
// another one of hers, which can do all that to both.
func TestPN02OutOfThePane(t *testing.T) {
	t.Parallel()
	row{settings: themselvesSettings, people: isolatedPeople, grants: themselvesGrants, loose: themselvesGrants,
		restless: true, unlogged: true, gains: 12, attack: func(w *world) {
			w.isolated()
			notes := w.notes()
			s, other, whose := w.Server("prod"), w.server, carol
			if w.control {
				w.Must(stranger, "new-session", "-d", "-s", "main")
				s, whose = w.Server(stranger), stranger
				other = s
			}
			sleep := fmt.Sprintf("sleep %d", 31415926+os.Getpid())
			if w.control {
				s.Run("new-window", "-d", "-t", "main", "-n", "beside", "exec "+sleep)
			} else {
				w.Must(carol, "new-window", "-d", "-t", "prod/main", "-n", "beside", "exec "+sleep)
			}
			victim := fmt.Sprint(w.ofAccount(whose, sleep))
			target := "main:0"
			pane, inner, _ := strings.Cut(s.Run("display-message", "-p", "-t", target, "#{pane_pid} #{socket_path}"), " ")
			beside := s.Run("display-message", "-p", "-t", "main:beside", "#{pane_tty}")
			first, _, _ := strings.Cut(other.Run("list-panes", "-a", "-F", "#{pane_tty}"), "\n")

			var try attempts
			mine := fmt.Sprintf("%s/tmux-%d/default", w.Doors, tmuxtest.As(w.t, stranger).UID)
			try.each("connect", append(glob(mine, w.Doors+"/run/servers/*/s", w.Doors+"/run/servers/*.launch", w.Doors+"/in-*/s", w.Doors+"/tmux-*/default"), inner)...)
			try.each("terminal", first, beside)
			processes := []string{victim, pane, fmt.Sprint(s.PID), fmt.Sprint(w.PID())}
			if daemon := ofDaemon(w.t, w.Host); daemon != w.PID() { // beside a helper
				processes = append(processes, fmt.Sprint(daemon))
			}
			for _, what := range []string{"signal", "memory", "environment", "descriptors", "trace"} {
				try.each(what, processes...)
			}
			dirs := append(directories(w.Doors, w.Doors+"/run", w.Doors+"/run/servers"), w.Doors, w.Base, w.State, w.Policy, filepath.Dir(w.Bin()))
			try.each("write-in", dirs...)
			try.each("rename", dirs...)
			try.each("become", "0", fmt.Sprint(tmuxtest.As(w.t, host.Work).UID), fmt.Sprint(tmuxtest.As(w.t, carol).UID))
			script := w.inPane(notes) + " " + outArg + " " + notes + "/list " + notes + "/gained\n" +
				"ls /proc/self/fd | grep -qv '^[0-3]$' && echo descriptor >" + notes + "/inherited\n" +
				"stat -c '%a %U' $(tty) >" + notes + "/mode; id -un >" + notes + "/done\n"
			for name, text := range map[string]string{"list": strings.Join(try, "\n") + "\n", "script": script} {
				if err := os.WriteFile(notes+"/"+name, []byte(text), 0o644); err != nil {
					w.t.Fatal(err)
				}
			}
			s.Run("send-keys", "-t", target, "sh "+notes+"/script", "Enter")
			tmuxtest.Eventually(w.t, func() bool { return ranAs(notes, "done") != "" }, "all was tried")
			if who := ranAs(notes, "done"); who != stranger {
				w.t.Errorf("the shell is %q's", who)
			}
			if mode := ranAs(notes, "mode"); mode != "620 "+stranger && mode != "600 "+stranger && !w.control {
				w.t.Errorf("the pane's terminal is %s", mode)
			}
			gained := ranAs(notes, "gained")
			for what := range strings.Lines(gained) {
				w.gain("%s", strings.TrimSpace(what))
			}
			if ranAs(notes, "inherited") != "" && !w.control {
				w.gain("descriptors of others")
			}
			if found := setUserIDs(w.t, filepath.Dir(w.Bin())); len(found) > 0 {
				w.gain("with the rights of its owner: %q", found)
			}
			if w.control {
				w.outOfHersToo(gained)
			}
		}}.run(t)
}

// outOfHersToo makes sure that each kind of thing can come to something.
func (w *world) outOfHersToo(gained string) {
	w.t.Helper()
	scope, err := os.ReadFile("/proc/sys/kernel/yama/ptrace_scope")
	for _, what := range []string{"connect", "terminal", "signal", "memory", "environment", "descriptors", "trace", "write-in"} {
		if what == "trace" && err == nil && strings.TrimSpace(string(scope)) != "0" {
			continue // nobody's but a parent's here
		}
		if !strings.Contains("\n"+gained, "\n"+what+" ") {
			w.t.Errorf("control run: nothing comes of %s: %s", what, gained)
		}
	}
}
