package host

import (
	"cmp"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"github.com/pquerna/otp/totp"

	"github.com/muxward/muxward/internal/tmux/tmuxtest"
)

// prepareSSH makes keys for the people of the SSH door, and its part of the
// configuration.
func (h *Host) prepareSSH() string {
	h.t.Helper()
	if len(h.cfg.SSH) == 0 && h.cfg.PAM == "" {
		return ""
	}
	for _, dir := range []string{"keys", "ssh"} {
		h.must(os.MkdirAll(filepath.Join(h.Base, dir), 0o755))
	}
	for _, name := range []string{"authorities", "revoked"} {
		h.must(os.WriteFile(filepath.Join(h.Base, name), []byte("# none\n"), 0o644))
	}
	for _, who := range h.cfg.SSH {
		h.AllowKey(who, h.NewKey(who), "")
	}
	more := ""
	if h.cfg.SSHMore != "" {
		more = ", " + strings.ReplaceAll(h.cfg.SSHMore, "$BASE", h.Base)
	}
	if len(h.cfg.TOTP) > 0 {
		h.WriteTOTP(h.cfg.TOTP)
		more += ", totp: " + h.Base + "/totp"
	}
	more += h.preparePAM()
	return fmt.Sprintf("ssh: {listen: '%[3]s', keys: %[1]s/keys, authorities: %[1]s/authorities, revoked: %[1]s/revoked%[2]s}\n", h.Base, more,
		cmp.Or(h.cfg.SSHListen, "127.0.0.1:0"))
}

// Keygen runs ssh-keygen.
func (h *Host) Keygen(args ...string) {
	h.t.Helper()
	if out, err := tmuxtest.Output(tmuxtest.Account{}.Command("ssh-keygen", append([]string{"-q"}, args...)...)); err != nil {
		h.t.Fatalf("ssh-keygen %q: %v\n%s", args, err, out)
	}
}

// NewKey makes a key pair and gives the path of the private one.
func (h *Host) NewKey(name string) string {
	h.t.Helper()
	path := filepath.Join(h.Base, "ssh", name)
	h.Keygen("-t", "ed25519", "-N", "", "-C", name, "-f", path)
	return path
}

// AllowKey lists a key as a person's, and takes those away that they had.
func (h *Host) AllowKey(who, key, options string) {
	h.t.Helper()
	pub, err := os.ReadFile(key + ".pub")
	h.must(err)
	h.WriteSSH("keys/"+who+".keys", options+string(pub))
}

// WriteSSH replaces a file of the SSH door in one step.
func (h *Host) WriteSSH(name, text string) {
	h.t.Helper()
	path := filepath.Join(h.Base, name)
	h.must(os.WriteFile(path+".new", []byte(text), 0o644))
	h.must(os.Rename(path+".new", path))
}

// WriteTOTP replaces the list of secrets in one step.
func (h *Host) WriteTOTP(secrets map[string]string) {
	h.t.Helper()
	text := "# of the test\n"
	for who, secret := range secrets {
		text += who + " " + secret + "\n"
	}
	path := h.Base + "/totp"
	h.must(os.WriteFile(path+".new", []byte(text), 0o600))
	as := Serves(h.t)
	if h.cfg.Account != "" {
		as = tmuxtest.As(h.t, h.cfg.Account) // whose file it has to be
	}
	h.must(os.Chown(path+".new", int(as.UID), int(as.GID)))
	h.must(os.Rename(path+".new", path))
}

// Code is the code of a secret some steps from now.
func (h *Host) Code(secret string, steps int) string {
	h.t.Helper()
	code, err := totp.GenerateCode(secret, time.Now().Add(time.Duration(steps)*30*time.Second))
	h.must(err)
	return code
}

var doorLine = regexp.MustCompile(`the ssh door is at (\S+), host key (\S+)`)

// SSHAddr is where the door is, or SSHElsewhere.
func (h *Host) SSHAddr() string {
	h.t.Helper()
	if h.SSHElsewhere != "" {
		return h.SSHElsewhere
	}
	m := doorLine.FindStringSubmatch(h.Output())
	if m == nil {
		h.t.Fatalf("there is no ssh door:\n%s", h.Output())
	}
	return m[1]
}

// HostKey is the fingerprint that was shown.
func (h *Host) HostKey() string { return doorLine.FindStringSubmatch(h.Output())[2] }

// KeyOf is the private key of one of Config.SSH.
func (h *Host) KeyOf(who string) string { return filepath.Join(h.Base, "ssh", who) }

// SSHArgs are the arguments of OpenSSH's client with a key, before those of the
// test.
func (h *Host) SSHArgs(key string) []string {
	h.t.Helper()
	_, port, err := net.SplitHostPort(h.SSHAddr())
	h.must(err)
	return []string{"-F", "none", "-p", port, "-i", key, "-o", "IdentitiesOnly=yes", "-o", "BatchMode=yes",
		"-o", "StrictHostKeyChecking=accept-new", "-o", "UserKnownHostsFile=" + h.Base + "/known_hosts-" + port,
		"-o", "GlobalKnownHostsFile=/dev/null", "-o", "LogLevel=ERROR", "-o", "ConnectTimeout=20"}
}

// SSH runs OpenSSH's client with a person's key. The arguments name the host, as
// in work@127.0.0.1.
func (h *Host) SSH(who string, args ...string) Result {
	h.t.Helper()
	return h.SSHInput(who, []byte{}, args...)
}

// SSHInput is SSH with a standard input.
func (h *Host) SSHInput(who string, stdin []byte, args ...string) Result {
	h.t.Helper()
	return h.Exec("root", stdin, "ssh", append(h.SSHArgs(h.KeyOf(who)), args...)...)
}

// SSHTerminal runs OpenSSH's client on a terminal.
func (h *Host) SSHTerminal(who string, c tmuxtest.TerminalConfig, args ...string) *tmuxtest.Terminal {
	h.t.Helper()
	c.Env = append(c.Env, "LANG=C.UTF-8")
	return tmuxtest.Open(h.t, c, "ssh", append(append(h.SSHArgs(h.KeyOf(who)), "-tt"), args...)...)
}

// SSHControl starts OpenSSH's client without a terminal, for a session in control
// mode.
func (h *Host) SSHControl(who string, args ...string) *Lines {
	h.t.Helper()
	return StartLines(h.t, tmuxtest.Account{}.Command("ssh", append(append(h.SSHArgs(h.KeyOf(who)), "-T"), args...)...))
}

// PublicKey is the public key of one of Config.SSH, as a line.
func (h *Host) PublicKey(who string) string {
	h.t.Helper()
	pub, err := os.ReadFile(h.KeyOf(who) + ".pub")
	h.must(err)
	return string(pub)
}
