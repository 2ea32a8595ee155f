package script

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/muxward/muxward/internal/tmux/tmuxtest"
	"github.com/muxward/muxward/test/host"
)

// paramikoLogin logs in with a key, and a certificate if there is one, and runs a command.
const paramikoLogin = `import sys, paramiko
port, source, path, cert, line = sys.argv[1:6]
import socket
sock = socket.create_connection(("127.0.0.1", int(port)), 20, (source, 0))
key = paramiko.Ed25519Key.from_private_key_file(path)
if cert:
    key.load_certificate(cert)
client = paramiko.SSHClient()
client.set_missing_host_key_policy(paramiko.AutoAddPolicy())
try:
    client.connect("127.0.0.1", int(port), "x", pkey=key, sock=sock, look_for_keys=False, allow_agent=False, timeout=20)
except paramiko.AuthenticationException:
    sys.exit(255)
_, out, err = client.exec_command(line, timeout=20)
sys.stdout.write(out.read().decode())
sys.stderr.write(err.read().decode())
sys.exit(out.channel.recv_exit_status())
`

// sshClient is a client of ssh beside OpenSSH's.
type sshClient struct {
	program string
	// needs are what else it takes, certificates whether it has those.
	needs        []string
	certificates bool
	// run runs a line with a key in the form of OpenSSH, and a certificate or "".
	run func(h *host.Host, key, cert, source, line string) host.Result
}

func sshClients(t *testing.T) []sshClient {
	port := func(h *host.Host) string {
		t.Helper()
		_, port, err := net.SplitHostPort(h.SSHAddr())
		if err != nil {
			t.Fatal(err)
		}
		return port
	}
	converted := func(key, to string, cmd ...string) string {
		t.Helper()
		if _, err := os.Stat(key + to); err == nil {
			return key + to
		}
		if out, err := tmuxtest.Output(tmuxtest.Account{}.Command(cmd[0], cmd[1:]...)); err != nil {
			t.Fatalf("%q: %v\n%s", cmd, err, out)
		}
		return key + to
	}
	return []sshClient{
		{"plink", []string{"puttygen"}, true, func(h *host.Host, key, cert, _, line string) host.Result {
			ppk := converted(key, ".ppk", "puttygen", key, "-O", "private", "-o", key+".ppk")
			args := []string{"-batch", "-ssh", "-P", port(h), "-hostkey", h.HostKey(), "-i", ppk}
			if cert != "" {
				args = append(args, "-cert", cert)
			}
			return h.Exec("root", []byte{}, "plink", append(args, "x@127.0.0.1", line)...)
		}},
		{"dbclient", []string{"dropbearconvert"}, false, func(h *host.Host, key, _, source, line string) host.Result {
			own := converted(key, ".db", "dropbearconvert", "openssh", "dropbear", key, key+".db")
			return h.Exec("root", []byte{}, "dbclient", "-y", "-y", "-b", source, "-p", port(h), "-i", own, "x@127.0.0.1", line)
		}},
		{"/usr/bin/python3", nil, true, func(h *host.Host, key, cert, source, line string) host.Result {
			return h.Exec("root", []byte{}, "/usr/bin/python3", "-c", paramikoLogin, port(h), source, key, cert, line)
		}},
	}
}

// PuTTY's, dropbear's and python's clients get in with the same keys and certificates as
// OpenSSH's, have the same answers, and are refused for the same reasons.
func TestSSHOtherClients(t *testing.T) {
	h := host.Start(t, host.Config{SSH: byKey, Policy: map[string]string{"grants.yaml": shared}})
	h.Must(host.Alice, "new-session", "-d", "-s", "work", "cat")
	ca, stray, gone, laptop := h.NewKey("ca"), h.NewKey("stray"), h.NewKey("gone"), h.NewKey("laptop")
	pub := func(key string) string {
		t.Helper()
		data, err := os.ReadFile(key + ".pub")
		if err != nil {
			t.Fatal(err)
		}
		return string(data)
	}
	h.WriteSSH("keys/"+host.Carol+".keys", pub(gone))
	h.WriteSSH("revoked", pub(gone))
	h.WriteSSH("authorities", pub(ca)) // last: where this is in force, all is
	h.Signal(syscall.SIGHUP)
	signed := func(name string, args ...string) string {
		t.Helper()
		h.Keygen(append(append([]string{"-s", ca, "-I", name}, args...), laptop+".pub")...)
		cert := h.Base + "/ssh/" + name + "-cert.pub"
		if err := os.Rename(laptop+"-cert.pub", cert); err != nil {
			t.Fatal(err)
		}
		return cert
	}
	good := signed("good", "-n", host.Bob, "-V", "-1m:+1h")
	tries := 0
	tmuxtest.Eventually(t, func() bool { // each from elsewhere: who fails often has to wait
		tries++
		return h.Exec("root", []byte{}, "ssh", append(h.SSHArgs(laptop), "-b", fmt.Sprintf("127.0.4.%d", tries%250+1), "-o", "CertificateFile="+good, "x@127.0.0.1", "ls")...).Code == 0
	}, "the lists are in force")
	expired := signed("expired", "-n", host.Bob, "-V", "-2h:-1h")
	wrong := signed("wrong", "-n", "deploy", "-V", "-1m:+1h")
	n, refused := 20, map[string]int{}
	for _, c := range sshClients(t) {
		present := !slices.ContainsFunc(append(c.needs, c.program), func(p string) bool { _, err := exec.LookPath(p); return err != nil })
		if strings.HasSuffix(c.program, "python3") && present {
			_, err := tmuxtest.Output(tmuxtest.Account{}.Command(c.program, "-c", "import paramiko"))
			present = err == nil
		}
		if !present {
			tmuxtest.Missing(t, "no %s", c.program)
			continue
		}
		for _, try := range []struct {
			key, cert, why string // why it is refused; "" if it is not
		}{
			{h.KeyOf(host.Bob), "", ""}, {stray, "", "the key is nobody's here"}, {gone, "", "it was revoked"},
			{laptop, good, ""}, {laptop, expired, "expired"}, {laptop, wrong, "names nobody who is a person here"},
		} {
			if try.cert != "" && !c.certificates {
				continue
			}
			n++
			r := c.run(h, try.key, try.cert, fmt.Sprintf("127.0.0.%d", n), "tmux ls")
			if (try.why == "") != (r.Code == 0 && strings.HasPrefix(r.Out, "mwalice/work: 1 windows")) {
				t.Errorf("%s with %s %s: %+v", c.program, try.key, try.cert, r)
			}
			refused[try.why]++
		}
		if r := c.run(h, h.KeyOf(host.Alice), "", "127.0.0.19", "tmux has-session -t nowhere"); r.Code != 1 || !strings.Contains(r.Err, "can't find session: nowhere") {
			t.Errorf("%s: %+v", c.program, r)
		}
	}
	delete(refused, "")
	for why, times := range refused {
		tmuxtest.Eventually(t, func() bool {
			told := 0
			for _, e := range h.Audit() {
				if e.Kind == "door" && strings.Contains(e.Reason, why) {
					told++
				}
			}
			return told >= times
		}, "the log says %d times: %s", times, why)
	}
}
