package script

import (
	"os"
	"strings"
	"syscall"
	"testing"

	"github.com/muxward/muxward/internal/tmux/tmuxtest"
	"github.com/muxward/muxward/test/host"
)

// Whoever trusts an authority trusts this host without having seen its key, as long as
// the certificate is valid and names the host; a new one is taken while muxward serves,
// a broken one is not.
func TestSSHHostCertificate(t *testing.T) {
	h := host.Prepare(t, host.Config{SSH: []string{host.Alice}, SSHMore: "host_certificate: $BASE/host-cert.pub"})
	ca := h.NewKey("ca")
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(os.MkdirAll(h.State, 0o711))
	key := h.State + "/ssh_host_ed25519_key"
	h.Keygen("-t", "ed25519", "-N", "", "-f", key)
	certify := func(args ...string) {
		t.Helper()
		h.Keygen(append(append([]string{"-s", ca, "-h", "-I", "host"}, args...), key+".pub")...)
		cert, err := os.ReadFile(key + "-cert.pub")
		must(err)
		h.WriteSSH("host-cert.pub", string(cert))
	}
	pub, err := os.ReadFile(ca + ".pub")
	must(err)
	must(os.WriteFile(h.Base+"/known", []byte("@cert-authority * "+string(pub)), 0o644))
	come := func() host.Result {
		t.Helper()
		args := append([]string{"-o", "StrictHostKeyChecking=yes", "-o", "UserKnownHostsFile=" + h.Base + "/known"}, h.SSHArgs(h.KeyOf(host.Alice))...)
		return h.Exec("root", []byte{}, "ssh", append(args, "x@127.0.0.1", "list-commands", "has-session")...)
	}
	certify("-n", "127.0.0.1", "-V", "-1m:+1h")
	h.Run()
	if r := come(); r.Code != 0 {
		t.Errorf("by its certificate: %+v", r)
	}
	if r := h.Muxward("", "ssh-config"); r.Code != 0 || !strings.Contains(r.Out, "@cert-authority ") || !strings.Contains(r.Out, "ssh-ed25519-cert-v01@openssh.com,ssh-ed25519") {
		t.Errorf("ssh-config: %+v", r)
	}
	certify("-n", "elsewhere.example.org", "-V", "-1m:+1h")
	h.Signal(syscall.SIGHUP)
	tmuxtest.Eventually(t, func() bool { return come().Code == 255 }, "the new certificate is shown, which names another host")
	certify("-n", "127.0.0.1", "-V", "-2h:-1h")
	h.Signal(syscall.SIGHUP)
	tmuxtest.Eventually(t, func() bool { return strings.Contains(h.Output(), "is not valid now") }, "it is told")
	if r := come(); r.Code != 255 || !strings.Contains(r.Err, "elsewhere") && !strings.Contains(r.Err, "verification failed") {
		t.Errorf("with what was read last: %+v", r)
	}
	certify("-n", "127.0.0.1", "-V", "-1m:+1h")
	h.Signal(syscall.SIGHUP)
	tmuxtest.Eventually(t, func() bool { return come().Code == 0 }, "it is mended")
}
