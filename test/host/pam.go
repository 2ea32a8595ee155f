package host

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/muxward/muxward/internal/tmux/tmuxtest"
)

// Password is the password of the accounts of the tests.
const Password = tmuxtest.Password

var (
	services atomic.Int64
	programs sync.Map // directory → *built
)

// preparePAM makes a service of the host's own, and gives its part of the configuration of
// the SSH door.
func (h *Host) preparePAM() string {
	h.t.Helper()
	if h.cfg.PAM == "" {
		return ""
	}
	buildPAM(h.t, h.cfg.Build, filepath.Dir(h.bin))
	h.pam = fmt.Sprintf("mwtest-%d", services.Add(1))
	h.WritePAM(h.cfg.PAM)
	return ", pam: " + h.pam
}

// WritePAM replaces the stack of the host's PAM service; $BASE is Host.Base, $SERVICE the
// service.
func (h *Host) WritePAM(lines string) {
	h.t.Helper()
	tmuxtest.PAM(h.t, h.pam, strings.NewReplacer("$BASE", h.Base, "$SERVICE", h.pam).Replace(lines))
}

// buildPAM builds muxward-pam into a directory, where muxward finds it.
func buildPAM(t testing.TB, what, dir string) {
	t.Helper()
	if _, err := os.Stat("/usr/include/security/pam_appl.h"); err != nil && os.Getenv("CGO_CFLAGS") == "" {
		tmuxtest.Skip(t, "needs libpam0g-dev: builds what asks PAM")
	}
	tags, _ := divide(what)
	v, _ := programs.LoadOrStore(dir, &built{})
	b := v.(*built)
	b.once.Do(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Minute)
		defer cancel()
		cmd := exec.CommandContext(ctx, "go", "build", "-trimpath", "-ldflags", "-s -w", "-tags", tags, "-o", dir+"/muxward-pam", "github.com/muxward/muxward/cmd/muxward-pam")
		cmd.WaitDelay = 20 * time.Second
		cmd.Env = append(os.Environ(), "CGO_ENABLED=1")
		if text, err := cmd.CombinedOutput(); err != nil {
			b.err = fmt.Errorf("build muxward-pam: %w\n%s", err, text)
		}
	})
	if b.err != nil {
		t.Fatal(b.err)
	}
}

// buildPane builds muxward-pane into a directory, where muxward finds it.
func buildPane(t testing.TB, what, dir string) {
	t.Helper()
	tags, _ := divide(what)
	v, _ := programs.LoadOrStore(dir+"/pane", &built{})
	b := v.(*built)
	b.once.Do(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Minute)
		defer cancel()
		cmd := exec.CommandContext(ctx, "go", "build", "-ldflags", "-s -w", "-tags", tags, "-o", dir+"/muxward-pane", "github.com/muxward/muxward/cmd/muxward-pane")
		cmd.WaitDelay = 20 * time.Second
		cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
		if text, err := cmd.CombinedOutput(); err != nil {
			b.err = fmt.Errorf("build muxward-pane: %w\n%s", err, text)
		}
	})
	if b.err != nil {
		t.Fatal(b.err)
	}
}

// Module builds a PAM module from a file of C, and gives its path.
func Module(t testing.TB, source string) string {
	t.Helper()
	out := filepath.Join(tmuxtest.Dir(t, tmuxtest.Account{}), strings.TrimSuffix(filepath.Base(source), ".c")+".so")
	if text, err := tmuxtest.Output(exec.Command("gcc", "-shared", "-fPIC", "-O1", "-o", out, source, "-lpam")); err != nil {
		t.Fatalf("build a PAM module: %v\n%s", err, text)
	}
	return out
}

// Talk is somebody who comes by a password from an address: what they answer to each
// prompt, and what they were shown.
type Talk struct {
	From    string
	Answers []string

	mu    sync.Mutex
	shown []string
}

// Shown is what they were shown.
func (k *Talk) Shown() string {
	k.mu.Lock()
	defer k.mu.Unlock()
	return strings.Join(k.shown, "")
}

// Answer answers a challenge of the door.
func (k *Talk) Answer(_, instruction string, questions []string, _ []bool) ([]string, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.shown = append(append(k.shown, instruction), questions...)
	if len(questions) == 0 {
		return nil, nil
	}
	if len(k.Answers) == 0 {
		return nil, errors.New("nothing more to say")
	}
	a := k.Answers[0]
	k.Answers = k.Answers[1:]
	return []string{a}, nil
}

// DialPassword comes to the SSH door by keyboard-interactive.
func (h *Host) DialPassword(user string, k *Talk) (*ssh.Client, error) {
	h.t.Helper()
	addr, limit := h.SSHAddr(), 2*Patience
	d := net.Dialer{Timeout: limit}
	if k.From != "" {
		d.LocalAddr = &net.TCPAddr{IP: net.ParseIP(k.From)}
	}
	nc, err := d.Dial("tcp", addr)
	if err != nil {
		return nil, err
	}
	_ = nc.SetDeadline(time.Now().Add(limit)) // an error comes again at the first read
	c, channels, requests, err := ssh.NewClientConn(nc, addr, &ssh.ClientConfig{User: user, Timeout: limit,
		Auth: []ssh.AuthMethod{ssh.KeyboardInteractive(k.Answer)}, HostKeyCallback: ssh.InsecureIgnoreHostKey()})
	if err != nil {
		_ = nc.Close()
		return nil, err
	}
	_ = nc.SetDeadline(time.Time{})
	return ssh.NewClient(c, channels, requests), nil
}

// PAMProcesses are the processes that ask PAM for this muxward.
func (h *Host) PAMProcesses() (pids []int) {
	h.t.Helper()
	lists, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", h.PID()))
	for _, l := range lists {
		data, err := os.ReadFile(l)
		if err != nil {
			continue // the thread has ended
		}
		for _, f := range strings.Fields(string(data)) {
			pid, err := strconv.Atoi(f)
			name, _ := os.ReadFile("/proc/" + f + "/comm")
			if err == nil && strings.TrimSpace(string(name)) == "muxward-pam" {
				pids = append(pids, pid)
			}
		}
	}
	return pids
}

// SSHPasswordTerminal runs OpenSSH's client on a terminal, without a key.
func (h *Host) SSHPasswordTerminal(from, user string, args ...string) *tmuxtest.Terminal {
	h.t.Helper()
	_, port, err := net.SplitHostPort(h.SSHAddr())
	h.must(err)
	return tmuxtest.Open(h.t, tmuxtest.TerminalConfig{Env: []string{"LANG=C.UTF-8"}}, "ssh", append([]string{"-F", "none", "-p", port, "-b", from,
		"-o", "PubkeyAuthentication=no", "-o", "StrictHostKeyChecking=accept-new", "-o", "UserKnownHostsFile=" + h.Base + "/known_hosts-" + port,
		"-o", "GlobalKnownHostsFile=/dev/null", "-o", "LogLevel=ERROR", "-o", "ConnectTimeout=20", "-tt", user + "@127.0.0.1"}, args...)...)
}

// ReloadConfig changes muxward's own configuration, and has it read again.
func (h *Host) ReloadConfig(edit func(string) string) {
	h.t.Helper()
	path := h.Base + "/muxward.yaml"
	text, err := os.ReadFile(path)
	h.must(err)
	h.must(os.WriteFile(path+".new", []byte(edit(string(text))), 0o644))
	h.must(os.Rename(path+".new", path))
	before := len(h.AuditKind("reload"))
	h.Signal(syscall.SIGHUP)
	tmuxtest.Eventually(h.t, func() bool { return len(h.AuditKind("reload")) > before }, "it was read again") // or left as it is
}
