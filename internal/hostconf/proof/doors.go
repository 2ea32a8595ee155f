package proof

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/muxward/muxward/internal/identity"
	"github.com/muxward/muxward/internal/procfs"
)

// Doors is a muxward that serves, and whom it is tried as.
type Doors struct {
	// Doors and Run are its directories, and PID the process that says that it is it.
	Doors, Run string
	PID        int
	// Tmux is the tmux program; "" for the one in PATH.
	Tmux string
	// As are accounts as which sessions are opened. As root any, else only one's own.
	As []identity.Account
	// Clipboard and Passthrough are what tmux is to be set to, and Profile, PAM and Managers where
	// logins are to have the doors in their environment; "" and false are not tried.
	Clipboard, Passthrough string
	Profile, PAM, Managers bool
	// SSH is the ssh door.
	SSH SSHDoor
}

// nobody is the account of who has no business here.
const nobody = 65534

// stepTime is how long one program may take.
const stepTime = 10 * time.Second

// Prove tries everything. It opens a session for each account of As, and ends it.
func (d Doors) Prove(ctx context.Context) []Proof {
	var out []Proof
	if d.Tmux == "" {
		d.Tmux = "tmux"
	}
	for _, a := range d.As {
		out = append(out, d.throughDoor(ctx, a)...)
	}
	if len(d.As) == 0 {
		out = append(out, Proof{ID: "MW-V010", Title: "a session comes into being through a door", Outcome: Unknown,
			Evidence: []string{"not tried: name an account with --as, as which a session may be opened and ended"}})
		out = append(out, d.shut(ctx)...)
	}
	out = append(out, d.untried()...)
	return append(out, d.SSH.try(ctx)...)
}

// untried says what nobody has looked at.
func (d Doors) untried() []Proof {
	p := Proof{ID: "MW-V060", Title: "fresh logins have the doors in their environment", Outcome: Unknown}
	switch {
	case !d.Profile && !d.PAM && !d.Managers:
		p.Outcome, p.Evidence = Skipped, []string{"none is to have them"}
	case len(d.As) == 0:
		p.Evidence = []string{"not tried: name an account with --as, as which logins may be made"}
	case os.Geteuid() != 0 && (d.PAM || d.Managers):
		p.Evidence = []string{"not tried: only root can log somebody in"}
	default:
		return nil
	}
	return []Proof{p}
}

// throughDoor opens a session as an account, looks around while it is there, and ends it.
func (d Doors) throughDoor(ctx context.Context, a identity.Account) []Proof {
	door := filepath.Join(d.Doors, fmt.Sprintf("tmux-%d", a.UID), "default")
	name := "muxward-verify-" + strings.ToLower(rand.Text()[:8])
	p := Proof{ID: "MW-V010", Title: "a session comes into being through the door of " + a.Name, Outcome: Holds,
		Lost: a.Name + " cannot work through muxward"}
	tmux := func(args ...string) (string, error) { return d.tmux(ctx, &a, door, args...) }
	if out, err := tmux("new-session", "-d", "-s", name, "sleep 300"); err != nil {
		p.Outcome, p.Evidence = Broken, []string{"new-session: " + reason(out, err)}
		return append([]Proof{p}, d.shut(ctx)...)
	}
	p.Evidence = append(p.Evidence, "new-session -s "+name)
	d.listener(&p, door)
	more := d.inSession(tmux, name, a)
	more = append(more, d.shut(ctx)...)
	more = append(more, d.others(ctx, a, door)...)
	if out, err := tmux("kill-session", "-t", "="+name); err != nil {
		p.Outcome = Broken
		p.Evidence = append(p.Evidence, "the session "+name+" is left: kill-session: "+reason(out, err))
	}
	more = append(more, d.logins(ctx, a)...)
	return append([]Proof{p}, more...)
}

// listener looks who listens at a door: the muxward that serves, or the helper that has started it
// and made the door. Any tmux server would answer as well.
func (d Doors) listener(p *Proof, door string) {
	pid, err := listens(door)
	ours := []int{d.PID}
	if st, statErr := procfs.ReadStat(d.PID); statErr == nil && st.PPID > 1 {
		ours = append(ours, st.PPID)
	}
	switch {
	case d.PID == 0:
		p.Outcome, p.Evidence = Unknown, append(p.Evidence, "who listens there was not asked: no process is known that would have to")
	case err != nil:
		p.Outcome, p.Evidence = Unknown, append(p.Evidence, "who listens there cannot be told: "+err.Error())
	case !slices.Contains(ours, pid):
		p.Outcome, p.Evidence = Broken, append(p.Evidence, fmt.Sprintf("process %d listens at %s, and not muxward (process %d)", pid, door, d.PID))
	default:
		p.Evidence = append(p.Evidence, fmt.Sprintf("process %d listens there", pid))
	}
}

// listens gives the process that listens at a socket (SO_PEERCRED, unix(7)).
func listens(socket string) (int, error) {
	conn, err := net.DialTimeout("unix", socket, stepTime)
	if err != nil {
		return 0, err
	}
	defer conn.Close()
	raw, err := conn.(*net.UnixConn).SyscallConn()
	if err != nil {
		return 0, err
	}
	var cred *unix.Ucred
	var got error
	err = raw.Control(func(fd uintptr) { cred, got = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED) })
	if err = errors.Join(err, got); err != nil {
		return 0, err
	}
	return int(cred.Pid), nil
}

// inSession asks the new session's server what it is set to.
func (d Doors) inSession(tmux func(...string) (string, error), name string, a identity.Account) []Proof {
	var out []Proof
	p := Proof{ID: "MW-V011", Title: "tmux in a session of " + a.Name + " is told that its socket is a door", Outcome: Holds, Lost: "what runs in a pane reaches the server past muxward"}
	path, err := tmux("display-message", "-p", "-t", "="+name+":", "#{socket_path}")
	p.Evidence = []string{"socket_path is " + path}
	if err != nil {
		p.Outcome, p.Evidence = Unknown, []string{reason(path, err)}
	} else if !strings.HasPrefix(path, d.Doors+"/") || strings.HasPrefix(path, d.Run+"/") {
		p.Outcome = Broken
	}
	out = append(out, p)
	for _, o := range []struct{ id, option, want, lost string }{
		{"MW-V050", "set-clipboard", d.Clipboard, "programs in panes set the clipboard otherwise than host.yaml says: an own ~/.tmux.conf comes later"},
		{"MW-V051", "allow-passthrough", d.Passthrough, "programs in panes write to terminals otherwise than host.yaml says: an own ~/.tmux.conf comes later"},
	} {
		if o.want == "" {
			continue
		}
		p := Proof{ID: o.id, Title: fmt.Sprintf("%s of the server of %s is %s", o.option, a.Name, o.want), Outcome: Holds, Lost: o.lost}
		flags := "-gqv"
		if o.option == "set-clipboard" {
			flags = "-sv"
		}
		got, err := tmux("show-options", flags, o.option)
		switch {
		case err != nil:
			p.Outcome, p.Evidence = Unknown, []string{reason(got, err)}
		case got == "" && o.option == "allow-passthrough":
			p.Outcome, p.Evidence = Skipped, []string{"this tmux has no such option, and passes nothing through that it does not know (before 3.3)"}
		case got != o.want:
			p.Outcome, p.Evidence = Broken, []string{"it is " + got + "; a server that ran before the change has what it began with"}
		default:
			p.Evidence = []string{"it is " + got}
		}
		out = append(out, p)
	}
	return out
}

// shut tries the sockets of guarded servers as nobody.
func (d Doors) shut(ctx context.Context) []Proof {
	p := Proof{ID: "MW-V020", Title: "the sockets of guarded servers are shut", Outcome: Holds, Lost: "whoever reaches such a socket types past muxward, with no name on it"}
	if os.Geteuid() != 0 {
		p.Outcome, p.Evidence = Unknown, []string{"not tried: only root can try it as somebody else"}
		return []Proof{p}
	}
	dirs, err := os.ReadDir(filepath.Join(d.Run, "servers"))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		p.Outcome, p.Evidence = Unknown, []string{err.Error()}
		return []Proof{p}
	}
	n := 0
	for _, e := range dirs {
		if !e.IsDir() || strings.HasPrefix(e.Name(), ".") {
			continue
		}
		n++
		socket := filepath.Join(d.Run, "servers", e.Name(), "s")
		for _, as := range d.strangers(e) {
			name := "nobody"
			if as != nil {
				name = as.Name
			}
			out, shut := d.refused(ctx, as, socket)
			if shut {
				out = "permission denied"
			} else {
				p.Outcome = Broken
			}
			p.Evidence = append(p.Evidence, socket+" as "+name+": "+out)
		}
	}
	if n == 0 {
		p.Outcome, p.Evidence = Skipped, []string{"no server is guarded at the moment"}
	}
	return []Proof{p}
}

// strangers are nobody, and the accounts whose a guarded server is not.
func (d Doors) strangers(server fs.DirEntry) []*identity.Account {
	out := []*identity.Account{nil}
	info, err := server.Info()
	if err != nil {
		return out
	}
	st, ok := info.Sys().(*syscall.Stat_t)
	for i := range d.As {
		if ok && st.Uid != d.As[i].UID && d.As[i].UID != 0 {
			out = append(out, &d.As[i])
		}
	}
	return out
}

// others tries an account's door as nobody, and as the other accounts.
func (d Doors) others(ctx context.Context, a identity.Account, door string) []Proof {
	p := Proof{ID: "MW-V021", Title: "the door of " + a.Name + " is " + a.Name + "'s alone", Outcome: Holds, Lost: "who comes to this door is taken for " + a.Name}
	if os.Geteuid() != 0 {
		p.Outcome, p.Evidence = Unknown, []string{"not tried: only root can try it as somebody else"}
		return []Proof{p}
	}
	try := []*identity.Account{nil}
	for i := range d.As {
		if d.As[i].UID != a.UID {
			try = append(try, &d.As[i])
		}
	}
	for _, other := range try {
		name := "nobody"
		if other != nil {
			name = other.Name
		}
		out, shut := d.refused(ctx, other, door)
		if !shut {
			p.Outcome = Broken
		} else {
			out = "permission denied"
		}
		p.Evidence = append(p.Evidence, "as "+name+": "+out)
	}
	return []Proof{p}
}

// refused has a tmux client try a socket as another account, nil for nobody; shut says that
// the kernel has refused it.
func (d Doors) refused(ctx context.Context, as *identity.Account, socket string) (said string, shut bool) {
	out, err := d.tmux(ctx, as, socket, "list-sessions")
	return reason(out, err), err != nil && strings.Contains(strings.ToLower(out), "permission denied")
}

// as has a command run as an account, nil for nobody, with nothing of our environment.
func (d Doors) as(cmd *exec.Cmd, a *identity.Account) {
	if a == nil {
		a = &identity.Account{Name: "nobody", UID: nobody, GID: nobody, Home: "/nonexistent", Shell: "/bin/sh"}
	}
	cmd.Env = []string{"PATH=/usr/local/bin:/usr/bin:/bin", "HOME=" + a.Home, "SHELL=/bin/sh", "USER=" + a.Name, "LOGNAME=" + a.Name, "TERM=dumb", "LC_ALL=C.UTF-8"}
	cmd.Dir = "/"
	cmd.WaitDelay = time.Second
	// A session of its own: what accounts have in their profiles must not reach our terminal.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if os.Geteuid() == 0 {
		cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Credential: &syscall.Credential{Uid: a.UID, Gid: a.GID, Groups: []uint32{a.GID}}}
	}
}

// tmux runs a stock client at a socket as an account, and gives what it says. It starts no
// server (-N): where nobody listens it fails.
func (d Doors) tmux(ctx context.Context, as *identity.Account, socket string, args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, stepTime)
	defer cancel()
	program, err := exec.LookPath(d.Tmux)
	if err != nil {
		return "", err
	}
	cmd := exec.CommandContext(ctx, program, append([]string{"-N", "-S", socket}, args...)...)
	d.as(cmd, as)
	out, err := output(cmd)
	return clipped(out), err
}

const (
	// maxSaid is how much of what a program says is told.
	maxSaid = 500
	// maxHeard is how much of it is kept: what accounts have in their profiles may say more, and without end.
	maxHeard = 64 << 10
)

// heard keeps the beginning of what programs say.
type heard struct {
	mu  sync.Mutex
	all []byte
}

func (h *heard) Write(p []byte) (int, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.all = append(h.all, p[:min(len(p), maxHeard-len(h.all))]...)
	return len(p), nil
}

func (h *heard) String() string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return strings.TrimSpace(string(h.all))
}

func output(cmd *exec.Cmd) (string, error) {
	var h heard
	cmd.Stdout, cmd.Stderr = &h, &h
	err := cmd.Run()
	return h.String(), err
}

func clipped(s string) string {
	s = strings.TrimSpace(s)
	return s[:min(len(s), maxSaid)]
}

// reason is what went wrong: what a program has said, else how it ended.
func reason(out string, err error) string {
	if out != "" || err == nil {
		return strings.ReplaceAll(clipped(out), "\n", "; ")
	}
	return err.Error()
}
