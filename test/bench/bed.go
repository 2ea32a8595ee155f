package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"golang.org/x/crypto/ssh"
	"golang.org/x/sys/unix"
)

// bed is what is measured: a muxward for our own account with a session, and
// the socket of the same tmux server for the raw side.
type bed struct {
	dir, bin, self  string
	people          int // accounts of their own who may type, for which muxward runs as root
	prepare         func(*bed) error
	more            func(owner string, i int) string // more grants of one of the people, as lines of grants.yaml
	owners          int                              // accounts of their own with a tmux server each
	homes           []home                           // these servers; see build
	version, socket string
	serve           *exec.Cmd
	tmuxPID         int
	windows         map[string]bool

	keys     []ssh.Signer // of the people at the SSH door; the first is ours
	sshdCmd  *exec.Cmd    // OpenSSH's server, once it is needed
	sshdAddr string
}

const patience = 30 * time.Second

func newBed(bin string, people int) (*bed, error) {
	return (&bed{bin: bin, people: people}).open()
}

// open lays out the bed, and starts what is measured.
func (b *bed) open() (_ *bed, err error) {
	b.windows = map[string]bool{}
	defer func() {
		if err != nil {
			b.close()
		}
	}()
	if b.bin, err = filepath.Abs(b.bin); err != nil {
		return b, err
	}
	if b.self, err = os.Executable(); err != nil {
		return b, err
	}
	if b.dir, err = os.MkdirTemp("", "mwbench"); err != nil {
		return b, err
	}
	if err := os.Chmod(b.dir, 0o711); err != nil { // people pass through to their doors
		return b, err
	}
	if err := b.policy(); err != nil {
		return b, err
	}
	out, err := exec.Command("tmux", "-V").Output()
	if err != nil {
		return b, err
	}
	b.version = strings.TrimPrefix(strings.TrimSpace(string(out)), "tmux ")
	if b.prepare != nil {
		if err := b.prepare(b); err != nil {
			return b, err
		}
	}
	if err := b.startServe(); err != nil {
		return b, err
	}
	if out, err := b.tmux("new-session", "-d", "-s", "bench", "-x", "200", "-y", "50", "-n", "idle", "cat"); err != nil {
		return b, fmt.Errorf("%w: %s", err, out)
	}
	return b, b.findServer()
}

const (
	// firstUID is the uid of the first of the people.
	firstUID = 30000
	// givers are people who may give everything to everybody.
	givers = 10
)

// policy makes us the owner, and gives 1,000 grants to others.
func (b *bed) policy() error {
	who := "bench"
	if out, err := exec.Command("id", "-un").Output(); err == nil {
		who = strings.TrimSpace(string(out))
	}
	dir := filepath.Join(b.dir, "policy")
	if err := os.Mkdir(dir, 0o755); err != nil {
		return err
	}
	people := fmt.Sprintf("people:\n  %s: {uid: %d}\n", who, os.Geteuid())
	var grants strings.Builder
	fmt.Fprintf(&grants, "grants:\n  - {who: %s, role: admin, on: \"*\", reason: measures}\n", who)
	for i := range 1000 {
		people += fmt.Sprintf("  p%d: {}\n", i)
		fmt.Fprintf(&grants, "  - {who: p%d, role: typist, on: %s/s%d, reason: many}\n", i, who, i)
	}
	for i := range b.people {
		people += fmt.Sprintf("  c%d: {uid: %d}\n", i, firstUID+i)
		fmt.Fprintf(&grants, "  - {who: c%d, role: typist, on: %s/bench, reason: types}\n", i, who)
		fmt.Fprintf(&grants, "  - {who: c%d, role: typist, on: %s/c%[1]d, reason: types alone}\n", i, who)
		if b.more != nil {
			grants.WriteString(b.more(who, i))
		}
	}
	for i := range b.owners {
		people += fmt.Sprintf("  %s: {uid: %d}\n", homeOwner(i), firstHome+i)
		fmt.Fprintf(&grants, "  - {who: %s, role: owner, on: %s, reason: gives too}\n", who, homeOwner(i))
	}
	for i := range givers {
		people += fmt.Sprintf("  g%d: {}\n", i)
		fmt.Fprintf(&grants, "  - {who: g%d, role: admin, on: \"*\", reason: gives}\n", i)
	}
	people += "groups:\n  keyed: ["
	for i := 1; i < keyed; i++ {
		people += fmt.Sprintf("p%d, ", i)
	}
	people += "]\n"
	fmt.Fprintf(&grants, "  - {who: '@keyed', role: typist, on: %s/ssh-memory, reason: by ssh}\n", who)
	return errors.Join(
		os.WriteFile(filepath.Join(dir, "people.yaml"), []byte(people), 0o644),
		os.WriteFile(filepath.Join(dir, "grants.yaml"), []byte(grants.String()), 0o644),
		os.WriteFile(filepath.Join(b.dir, "tmux.conf"), nil, 0o644),
		os.WriteFile(filepath.Join(b.dir, "muxward.yaml"), fmt.Appendf(nil,
			"tmux_config: [%[1]s/tmux.conf]\nssh: {listen: '127.0.0.1:0', keys: %[1]s/keys}\n", b.dir), 0o644),
		b.byKey(who),
	)
}

func (b *bed) startServe() error {
	args := []string{
		"serve", "--config", b.dir + "/muxward.yaml",
		"--state", b.dir + "/state", "--policy", b.dir + "/policy", "--doors", b.dir + "/d",
	}
	if b.people == 0 {
		args = append(args, "--user")
	}
	b.serve = exec.Command(b.bin, args...)
	if b.people > 0 {
		if err := b.hire(); err != nil {
			return err
		}
	}
	// What it says of the raw clients, which are not its own, is told only if it fails.
	complaints, err := os.Create(filepath.Join(b.dir, "serve.log"))
	if err != nil {
		return err
	}
	defer complaints.Close()
	b.serve.Stderr = complaints
	b.serve.Env = b.env()
	out, err := b.serve.StdoutPipe()
	if err != nil {
		return err
	}
	if err := b.serve.Start(); err != nil {
		return err
	}
	var said []byte
	buf := make([]byte, 4096)
	for !bytes.Contains(said, []byte("is ready")) {
		n, err := out.Read(buf)
		if said = append(said, buf[:n]...); err != nil {
			why, _ := os.ReadFile(complaints.Name())
			return fmt.Errorf("muxward did not start: %q, %s, %w", said, why, err)
		}
	}
	go func() { _, _ = io.Copy(io.Discard, out) }()
	return nil
}

func (b *bed) env(more ...string) []string {
	return append([]string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + b.dir, "LANG=C.UTF-8", "TERM=xterm-256color",
		"MUXWARD_STATE=" + b.dir + "/state",
	}, more...)
}

func (b *bed) findServer() (err error) {
	b.tmuxPID, b.socket, err = b.serverOf(b.owner())
	return err
}

// through is the environment of a client that comes through muxward.
func (b *bed) through() []string { return b.env("TMUX_TMPDIR=" + b.dir + "/d") }

// tmux runs the stock client through muxward.
func (b *bed) tmux(args ...string) ([]byte, error) { return b.tmuxAs(nil, args...) }

func (b *bed) muxward(args ...string) ([]byte, error) {
	cmd := exec.Command(b.bin, args...)
	cmd.Env = b.env()
	return cmd.CombinedOutput()
}

func (b *bed) close() {
	for _, pid := range b.servers() {
		_ = syscall.Kill(pid, syscall.SIGKILL)
	}
	if b.serve != nil && b.serve.Process != nil {
		_ = b.serve.Process.Signal(syscall.SIGTERM)
		_ = b.serve.Wait()
	}
	if b.sshdCmd != nil && b.sshdCmd.Process != nil {
		_ = b.sshdCmd.Process.Kill()
		_ = b.sshdCmd.Wait()
	}
	if b.dir != "" {
		_ = filepath.WalkDir(b.dir, func(p string, d os.DirEntry, err error) error {
			if err == nil && d.IsDir() {
				_ = os.Chmod(p, 0o700)
			}
			return nil
		})
		_ = os.RemoveAll(b.dir)
	}
}

// servers are the processes of all tmux servers that there are.
func (b *bed) servers() (pids []int) {
	if b.tmuxPID > 1 {
		pids = append(pids, b.tmuxPID)
	}
	for _, h := range b.homes {
		pids = append(pids, h.pid)
	}
	return pids
}

// attached is a stock client on a terminal of ours.
type attached struct {
	cmd    *exec.Cmd
	master *os.File
	buf    []byte
}

// attach runs the stock client on a new terminal: raw at the server's own
// socket, or through muxward.
func (b *bed) attach(raw bool, args ...string) (*attached, error) {
	if raw {
		args = append([]string{"-S", b.socket}, args...)
	}
	return b.onTerminal(exec.Command("tmux", args...), nil)
}

// onTerminal starts a program on a new terminal, as somebody else if asked.
func (b *bed) onTerminal(cmd *exec.Cmd, who *syscall.Credential) (*attached, error) {
	fd, err := unix.Open("/dev/ptmx", unix.O_RDWR|unix.O_NOCTTY|unix.O_CLOEXEC|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	master := os.NewFile(uintptr(fd), "ptmx")
	if err := unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0); err != nil {
		return nil, err
	}
	if err := unix.IoctlSetWinsize(fd, unix.TIOCSWINSZ, &unix.Winsize{Row: 50, Col: 200}); err != nil {
		return nil, err
	}
	peer, _, e := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), unix.TIOCGPTPEER, unix.O_RDWR|unix.O_NOCTTY|unix.O_CLOEXEC)
	if e != 0 {
		return nil, e
	}
	slave := os.NewFile(peer, "pts")
	defer slave.Close()
	cmd.Env = b.through()
	cmd.Stdin, cmd.Stdout, cmd.Stderr = slave, slave, slave
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true, Credential: who}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	return &attached{cmd: cmd, master: master, buf: make([]byte, 64<<10)}, nil
}

// until reads until text has come, and gives the time that took.
func (a *attached) until(text string) error {
	deadline := time.Now().Add(patience)
	_ = a.master.SetReadDeadline(deadline)
	tail := make([]byte, 0, 128<<10)
	for {
		n, err := a.master.Read(a.buf)
		if err != nil {
			return fmt.Errorf("waiting for %q: %w (seen last: %q)", text, err, tail[max(0, len(tail)-200):])
		}
		tail = append(tail, a.buf[:n]...)
		if bytes.Contains(tail, []byte(text)) {
			return nil
		}
		if len(tail) > 64<<10 {
			tail = append(tail[:0], tail[len(tail)-1024:]...)
		}
	}
}

func (a *attached) close() {
	_ = a.master.Close()
	_ = a.cmd.Process.Kill()
	_ = a.cmd.Wait()
}

// quiet reads until nothing has come for a while.
func (a *attached) quiet() { a.quietFor(150 * time.Millisecond) }

func (a *attached) quietFor(d time.Duration) {
	for {
		_ = a.master.SetReadDeadline(time.Now().Add(d))
		if _, err := a.master.Read(a.buf); err != nil {
			return
		}
	}
}
