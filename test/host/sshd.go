package host

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"

	"github.com/muxward/muxward/internal/tmux/tmuxtest"
)

// KeysUser is the account as which an sshd of the tests asks for keys: one of the
// system's that nobody uses.
const KeysUser = "daemon"

// Ticketed is the configuration of an sshd that asks muxward whose keys are, and Lends
// that of a muxward that is asked by one, about the account [Work].
const (
	Ticketed = `AuthorizedKeysCommand $BIN keys --state $STATE %u %t %k
AuthorizedKeysCommandUser ` + KeysUser + `
AuthorizedKeysFile none
`
	Lends = "keys_user: " + KeysUser + ", keys_accounts: [" + Work + "]"
)

// SSHD is an OpenSSH server of the host.
type SSHD struct {
	h    *Host
	addr string
	out  *lockedBuffer
	// Bin is muxward where sshd takes it from: it wants all of the path to be root's.
	Bin string
}

// StartSSHD starts OpenSSH's server with more lines in its configuration, in which $BIN
// is muxward and $STATE its state directory.
func (h *Host) StartSSHD(more string) *SSHD {
	h.t.Helper()
	const path = "/usr/sbin/sshd"
	if _, err := os.Stat(path); err != nil {
		tmuxtest.Skip(h.t, "no sshd is installed")
	}
	dir, err := os.MkdirTemp("/var/lib", "muxward-test-")
	h.must(err)
	h.t.Cleanup(func() { _ = os.RemoveAll(dir) })
	h.must(os.Chmod(dir, 0o755))
	program, err := os.ReadFile(h.bin)
	h.must(err)
	s := &SSHD{h: h, Bin: dir + "/muxward"}
	h.must(tmuxtest.WriteProgram(s.Bin, program, 0o755))
	h.must(os.MkdirAll("/run/sshd", 0o755))
	h.Keygen("-t", "ed25519", "-N", "", "-f", dir+"/host_key")
	more = strings.NewReplacer("$BIN", s.Bin, "$STATE", h.State).Replace(more)
	for range 5 { // somebody else may take the port before sshd does
		if s.listen(path, dir, more) {
			return s
		}
	}
	h.t.Fatalf("sshd finds no port; it says:\n%s", s.out)
	return nil
}

// listen starts sshd at a port that was free a moment ago, and reports whether it still
// was.
func (s *SSHD) listen(path, dir, more string) bool {
	h := s.h
	h.t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	h.must(err)
	s.addr = l.Addr().String()
	h.must(l.Close())
	// A bash that sshd has started reads the account's .bashrc (bash(1), INVOCATION), but not one below another: what
	// a developer has there is no part of the test.
	conf := fmt.Sprintf("ListenAddress %s\nHostKey %s/host_key\nPidFile none\nUsePAM no\nPrintMotd no\nLogLevel VERBOSE\nSetEnv SHLVL=1\n"+
		"AuthenticationMethods publickey\nMaxStartups 100\n%s\n", s.addr, dir, more)
	h.must(os.WriteFile(filepath.Join(dir, "config"), []byte(conf), 0o600))
	cmd := exec.Command(path, "-D", "-e", "-f", filepath.Join(dir, "config"))
	cmd.Env = tmuxtest.Account{}.Env("LANG=C.UTF-8")
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	out := &lockedBuffer{}
	s.out = out
	cmd.Stdout, cmd.Stderr = out, out
	h.must(cmd.Start())
	end := make(chan struct{})
	go func() { defer close(end); _ = cmd.Wait() }() // told by out
	h.t.Cleanup(func() {
		_ = cmd.Process.Kill() // it may have ended
		<-end
		if h.t.Failed() {
			h.t.Logf("sshd says:\n%s", out)
		}
	})
	var listens, taken bool
	tmuxtest.Eventually(h.t, func() bool {
		said := out.String()
		listens, taken = strings.Contains(said, "Server listening"), strings.Contains(said, "Cannot bind any address")
		return listens || taken
	}, "sshd listens; it says %s", out)
	return listens
}

// Args are the arguments of OpenSSH's client for this server, before those of the test.
func (s *SSHD) Args(key string) []string {
	s.h.t.Helper()
	old := s.h.SSHElsewhere
	s.h.SSHElsewhere = s.addr
	defer func() { s.h.SSHElsewhere = old }()
	return s.h.SSHArgs(key)
}

// Run runs OpenSSH's client with a key. The arguments name the account, as in
// mwbob@127.0.0.1.
func (s *SSHD) Run(key string, args ...string) Result {
	s.h.t.Helper()
	return s.RunInput(key, []byte{}, args...)
}

// RunInput is Run with a standard input.
func (s *SSHD) RunInput(key string, stdin []byte, args ...string) Result {
	s.h.t.Helper()
	return s.h.Exec("root", stdin, "ssh", append(s.Args(key), args...)...)
}

// Log is what sshd has said so far.
func (s *SSHD) Log() string { return s.out.String() }

// Terminal runs it on a terminal.
func (s *SSHD) Terminal(key string, c tmuxtest.TerminalConfig, args ...string) *tmuxtest.Terminal {
	s.h.t.Helper()
	return tmuxtest.Open(s.h.t, c, "ssh", append(append(s.Args(key), "-tt"), args...)...)
}

var ticketWord = regexp.MustCompile(`--ticket ([A-Za-z0-9_-]+)`)

// LastTicket is the one that somebody came in with last, as sshd's log shows it; command
// lines show it, too, for a moment.
func (s *SSHD) LastTicket() string {
	s.h.t.Helper()
	var all [][]string
	tmuxtest.Eventually(s.h.t, func() bool { // what sshd says comes after what it does
		all = ticketWord.FindAllStringSubmatch(s.out.String(), -1)
		return len(all) > 0
	}, "somebody comes in with a ticket; sshd says:\n%s", s.out)
	return all[len(all)-1][1]
}
