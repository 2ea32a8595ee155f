package script

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/muxward/muxward/internal/tmux/tmuxtest"
	"github.com/muxward/muxward/test/host"
)

// echo answers lines that come to a port of this host, and tells whose the other end is.
func echo(t *testing.T, l net.Listener) {
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				fmt.Fprintf(c, "uid %s\n", uidOfPeer(c))
				_, _ = io.Copy(c, c)
			}()
		}
	}()
}

// uidOfPeer looks up in /proc/net/tcp whose socket it is.
func uidOfPeer(c net.Conn) string {
	tcp, ok := c.RemoteAddr().(*net.TCPAddr)
	if !ok {
		return "?"
	}
	list, _ := os.ReadFile("/proc/net/tcp")
	for _, line := range strings.Split(string(list), "\n") {
		f := strings.Fields(line)
		if len(f) > 7 && strings.HasSuffix(f[1], fmt.Sprintf(":%04X", tcp.Port)) && f[3] != "0A" { // it may have sent its end already
			return f[7]
		}
	}
	return "?"
}

func free(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// background starts an ssh that goes on, and ends it with the test.
func background(t *testing.T, h *host.Host, who string, args ...string) *exec.Cmd {
	t.Helper()
	cmd := exec.Command("ssh", append(append(h.SSHArgs(h.KeyOf(who)), "-N", "-o", "ExitOnForwardFailure=yes"), append(args, "x@127.0.0.1")...)...)
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	return cmd
}

// speak connects, says a line, and gives the two that are heard.
func speak(t *testing.T, network, addr string) (c net.Conn, heard string) {
	t.Helper()
	tmuxtest.Eventually(t, func() bool {
		var err error
		if c, err = net.Dial(network, addr); err != nil {
			return false
		}
		_ = c.SetDeadline(time.Now().Add(tmuxtest.Patience))
		r := bufio.NewReader(c)
		_, _ = c.Write([]byte("hello\n"))
		first, errA := r.ReadString('\n')
		second, errB := r.ReadString('\n')
		heard = first + second
		if errA != nil || errB != nil {
			_ = c.Close()
			return false
		}
		return true
	}, "somebody answers at %s", addr)
	return c, heard
}

// TestSSHForwards: what ssh.yaml permits by name works with OpenSSH's client, as the
// person's own account; the log has it with its bytes; and it ends when it is taken back.
func TestSSHForwards(t *testing.T) {
	for mode, account := range map[string]string{"root": "", "ward": host.Ward} {
		t.Run(mode, func(t *testing.T) { forwards(t, account) })
	}
}

func forwards(t *testing.T, account string) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	echo(t, l)
	to, remote := l.Addr().String(), free(t)
	h := host.Start(t, host.Config{SSH: []string{host.Alice, host.Bob, host.Carol}, Account: account, Policy: map[string]string{
		"grants.yaml": "grants:\n  - {who: root, role: admin, on: \"*\", reason: runs it}\n",
		"ssh.yaml": `allow:
  - {id: echo, who: mwbob, permit_open: "` + to + `", permit_listen: ["` + remote + `"], reason: bob looks}
  - {id: files, who: mwbob, subsystems: [sftp], agent_forwarding: true, reason: bob has files}
`}})
	bob := tmuxtest.As(t, host.Bob)
	home := bobsHome(t, h)

	// ssh -L, and a name that leads there.
	local := free(t)
	background(t, h, host.Bob, "-L", local+":localhost:"+portOf(t, to))
	c, heard := speak(t, "tcp", local)
	if want := fmt.Sprintf("uid %d\nhello\n", bob.UID); heard != want {
		t.Errorf("through -L comes %q, want %q", heard, want)
	}
	// ssh -R
	background(t, h, host.Bob, "-R", remote+":"+to)
	d, heard := speak(t, "tcp", remote)
	if !strings.HasSuffix(heard, "hello\n") {
		t.Errorf("through -R comes %q", heard)
	}
	_ = d.Close()
	shown(t, h, to, remote)
	// Not elsewhere, and nobody else.
	if r := h.SSH(host.Carol, "-W", to, "x@127.0.0.1"); r.Code == 0 {
		t.Errorf("carol: %+v", r)
	}
	if r := h.SSH(host.Bob, "-W", h.SSHAddr(), "x@127.0.0.1"); r.Code == 0 {
		t.Errorf("bob, elsewhere: %+v", r)
	}
	// ssh -A: bob's own server has the agent.
	r := h.Exec("root", []byte{}, "ssh-agent", append([]string{"sh", "-c", `ssh-add -q "$0" && exec ssh -A "$@"`, h.KeyOf(host.Bob)},
		append(h.SSHArgs(h.KeyOf(host.Bob)), "x@127.0.0.1",
			`tmux new-session -d -s agent 'ssh-add -l > `+home+`/agent 2>&1; cat' \; run-shell 'while ! [ -s `+home+`/agent ]; do sleep 0.1; done'`)...)...)
	if got, _ := os.ReadFile(home + "/agent"); r.Code != 0 || !strings.Contains(string(got), "SHA256:") {
		t.Errorf("the agent: %+v %q", r, got)
	}
	sftps(t, h, home, bob.UID)
	if r := h.SSH(host.Carol, "-s", "x@127.0.0.1", "sftp"); r.Code == 0 {
		t.Errorf("carol's sftp: %+v", r)
	}

	// What is taken back is over when that returns.
	if r := h.Muxward("root", "revoke", host.Bob, "--reason", "enough"); r.Code != 0 {
		t.Errorf("revoke: %+v", r)
	}
	if n, err := c.Read(make([]byte, 1)); err == nil {
		t.Errorf("after the revocation %d bytes come", n)
	}
	if x, err := net.Dial("tcp", remote); err == nil {
		t.Error("somebody listens for bob after the revocation")
		_ = x.Close()
	}
	told(t, h, to, remote)
	h.VerifyAudit()
}

// shown looks at what is told of bob's forwards while they are open, and before they are.
func shown(t *testing.T, h *host.Host, to, remote string) {
	t.Helper()
	for who, sees := range map[string]bool{host.Bob: true, "root": true, host.Carol: false} {
		r := h.Muxward(who, "who")
		for _, what := range []string{"tcp:" + to, "tcp:" + remote, "forward", "listen"} {
			if r.Code != 0 || strings.Contains(r.Out, what) != sees {
				t.Errorf("%s is told of %s: %v, want %v: %+v", who, what, !sees, sees, r)
			}
		}
	}
	for _, c := range []struct {
		args []string
		code int
		says string
	}{
		{[]string{"--who", host.Bob, "--", "ssh", "-L", "1:localhost:" + portOf(t, to), "-A"}, 0, "ssh.yaml:"},
		{[]string{"--who", host.Bob, "--", "ssh", "-R", remote, "-s", "h", "sftp"}, 0, "subsystem"},
		{[]string{"--who", host.Bob, "--", "ssh", "-W", "169.254.169.254:80"}, 1, "special"},
		{[]string{"--who", host.Carol, "--", "sftp"}, 1, "no entry of ssh.yaml"},
		{[]string{"--", "ssh", "-D", "1"}, 2, "-W"},
	} {
		r := h.Muxward("root", append([]string{"explain"}, c.args...)...)
		if r.Code != c.code || !strings.Contains(r.Out+r.Err, c.says) {
			t.Errorf("explain %q: %+v", c.args, r)
		}
	}
}

func portOf(t *testing.T, addr string) string {
	t.Helper()
	_, port, err := net.SplitHostPort(addr)
	if err != nil {
		t.Fatal(err)
	}
	return port
}

// bobsHome is a directory of bob's.
func bobsHome(t *testing.T, h *host.Host) string {
	t.Helper()
	dir := tmuxtest.Dir(t, tmuxtest.As(t, host.Bob))
	return dir
}

// sftps puts a file and takes one: as bob, and no other's.
func sftps(t *testing.T, h *host.Host, home string, uid uint32) {
	t.Helper()
	secret := filepath.Join(h.Base, "root-only")
	if err := os.WriteFile(secret, []byte("root's\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	mine := filepath.Join(h.Base, "mine")
	if err := os.WriteFile(mine, []byte(strings.Repeat("x", 1<<20)), 0o644); err != nil {
		t.Fatal(err)
	}
	args := append([]string{"-b", "-"}, sftpArgs(h.SSHArgs(h.KeyOf(host.Bob)))...)
	r := h.Exec("root", []byte("put "+mine+" "+home+"/put\nget "+home+"/put "+mine+".back\n"), "sftp", append(args, "x@127.0.0.1")...)
	back, err := os.ReadFile(mine + ".back")
	if r.Code != 0 || err != nil || len(back) != 1<<20 {
		t.Fatalf("sftp: %+v %v, %d bytes", r, err, len(back))
	}
	var st os.FileInfo
	if st, err = os.Stat(home + "/put"); err != nil {
		t.Fatal(err)
	}
	if sys, ok := st.Sys().(*syscall.Stat_t); !ok || sys.Uid != uid {
		t.Errorf("what bob has put is not his: %+v", st.Sys())
	}
	r = h.Exec("root", []byte("get "+secret+" "+mine+".stolen\n"), "sftp", append(args, "x@127.0.0.1")...)
	if _, err := os.Stat(mine + ".stolen"); r.Code == 0 || err == nil {
		t.Errorf("bob has root's file: %+v", r)
	}
}

// sftpArgs are ssh's as sftp takes them.
func sftpArgs(args []string) []string {
	out := append([]string(nil), args...)
	for i := range out {
		if out[i] == "-p" {
			out[i] = "-P"
		}
	}
	return out
}

// told looks for what the log says.
func told(t *testing.T, h *host.Host, to, remote string) {
	t.Helper()
	want := map[string]bool{"intent forward host:tcp:" + to: false, "intent listen host:tcp:" + remote: false,
		"intent agent": false, "intent subsystem": false, "denied forward": false, "denied special": false}
	bytes := map[int]bool{}
	for _, e := range h.Audit() {
		line := e.Kind + " " + strings.Join(e.Verbs, ",") + " " + strings.Join(e.Objects, ",")
		if e.Kind == "denied" && strings.Contains(e.Reason, "special") {
			want["denied special"] = true
		}
		for w := range want {
			if strings.HasPrefix(line, w) && (e.Kind == "denied" || strings.HasPrefix(e.Rule, "ssh.yaml:")) {
				want[w] = true
			}
		}
		if e.Kind == "outcome" && strings.Contains(e.Note, "bytes to it") {
			bytes[e.Bytes] = true
		}
	}
	for w, found := range want {
		if !found {
			t.Errorf("the log has no %q", w)
		}
	}
	if said := len("hello\n") + len("uid 12345\nhello\n"); !bytes[said] && len(bytes) < 3 {
		t.Errorf("the outcomes tell of bytes %v", bytes)
	}
}

// TestSSHForwardsUserMode: a muxward of one account reaches as that, and for nobody else.
func TestSSHForwardsUserMode(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	echo(t, l)
	to := l.Addr().String()
	h := host.Start(t, host.Config{User: host.Alice, SSH: []string{host.Alice, host.Bob}, Policy: map[string]string{
		"ssh.yaml": "allow:\n  - {id: echo, who: \"*\", permit_open: \"" + to + "\", subsystems: [sftp], reason: everybody}\n"}})
	r := h.SSHInput(host.Alice, []byte("hello\n"), "-W", to, "x@127.0.0.1")
	if want := fmt.Sprintf("uid %d\nhello\n", tmuxtest.As(t, host.Alice).UID); r.Out != want {
		t.Errorf("alice: %+v, want %q", r, want)
	}
	if r := h.SSHInput(host.Bob, []byte("hello\n"), "-W", to, "x@127.0.0.1"); r.Code == 0 || r.Out != "" {
		t.Errorf("bob: %+v", r)
	}
	if r := h.SSH(host.Bob, "-s", "x@127.0.0.1", "sftp"); r.Code == 0 {
		t.Errorf("bob's sftp: %+v", r)
	}
}

// TestSSHIdle: who types nothing goes, and who types stays.
func TestSSHIdle(t *testing.T) {
	h := host.Start(t, host.Config{SSH: []string{host.Alice}, SSHMore: "idle: 2s"})
	h.Must(host.Alice, "new-session", "-d", "-s", "work", "cat")
	x := h.SSHTerminal(host.Alice, tmuxtest.TerminalConfig{}, "work@127.0.0.1")
	x.WaitFor("[work]")
	began := time.Now()
	tmuxtest.Eventually(t, func() bool {
		x.Type("a")
		return time.Since(began) > 3*time.Second // longer than one may type nothing
	}, "alice types")
	if x.Contains("nothing was typed") {
		t.Error("who types goes")
	}
	if code := x.ExitCode(); code == 0 || !x.Contains("nothing was typed here for 2s") {
		t.Errorf("exit %d: %q", code, x.Screen())
	}
	if out := h.Must(host.Alice, "ls"); !strings.Contains(out, "work") {
		t.Errorf("the session has gone with her: %q", out)
	}
}
