package script

import (
	"encoding/base64"
	"fmt"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/muxward/muxward/internal/tmux/tmuxtest"
	"github.com/muxward/muxward/test/host"
)

// byKey is everybody who has a key at the SSH door.
var byKey = []string{host.Alice, host.Bob, host.Carol, host.Mallory}

// TestSSH: alice, bob and carol come by ssh. It is as at the tmux door: alice works,
// bob watches, carol types into one pane, mallory is told that there is nothing.
func TestSSH(t *testing.T) {
	h := host.Start(t, host.Config{SSH: byKey, Policy: map[string]string{"grants.yaml": shared}})
	must := func(who string, args ...string) host.Result {
		t.Helper()
		r := h.SSH(who, args...)
		if r.Code != 0 {
			t.Fatalf("%s: ssh %q: %+v\n%s", who, args, r, h.Output())
		}
		return r
	}
	// There is no server yet: hers is started, as her account.
	must(host.Alice, "x@127.0.0.1", "tmux", "new-session", "-d", "-s", "work", "cat")
	must(host.Alice, "x@127.0.0.1", "tmux split-window -t work cat \\; new-session -d -s secret cat")
	if out := h.Must(host.Alice, "ls"); !strings.Contains(out, "work: 1 windows") {
		t.Errorf("at the tmux door alice sees %q", out)
	}
	if out := must(host.Bob, "x@127.0.0.1", "ls").Out; !strings.HasPrefix(out, "mwalice/work: 1 windows") || strings.Contains(out, "secret") {
		t.Errorf("bob sees %q", out)
	}
	a := h.SSHTerminal(host.Alice, tmuxtest.TerminalConfig{}, "work@127.0.0.1")
	a.WaitFor("[work]")
	before := a.First()
	a.Type("\x02\x1a") // there is no shell to go back to
	tmuxtest.Eventually(t, func() bool { return strings.Count(string(a.Bytes()), "\x1b[?1049h") > 1 }, "alice is back")
	a.WaitFor("[work]")
	a.Type("alice-was-here\r")
	a.WaitFor("alice-was-here")
	b := h.SSHTerminal(host.Bob, tmuxtest.TerminalConfig{}, "mwalice/work@127.0.0.1")
	b.WaitFor("alice-was-here")
	c := h.SSHTerminal(host.Carol, tmuxtest.TerminalConfig{}, "x@127.0.0.1", "attach", "-t", "mwalice/work")
	c.WaitFor("alice-was-here")
	b.Type("bob-types\r")
	b.WaitTold("not permitted")
	c.Type("carol-types\r")
	a.WaitFor("carol-types")
	if a.Contains("bob-types") {
		t.Error("bob typed")
	}
	if r := h.Muxward("root", "who"); !strings.Contains(r.Out, "ssh") {
		t.Errorf("who: %+v", r)
	}
	if r := h.Muxward("root", "revoke", host.Carol, "--reason", "enough"); r.Code != 0 {
		t.Errorf("revoke: %+v", r)
	}
	if code := c.ExitCode(); code != 1 || !c.Contains("may not view this any more") {
		t.Errorf("carol's ssh exits %d: %q", code, c.Screen())
	}
	a.Type("\x02d")
	if code := a.ExitCode(); code != 0 || !a.Contains("[detached (from session work)]") || a.Contains("carol-types") {
		t.Errorf("alice's ssh exits %d: %q", code, a.Screen())
	}
	if a.Termios() != before {
		t.Error("alice's terminal is not as it was")
	}
	if r := h.SSH(host.Mallory, "-T", "mwalice/work@127.0.0.1"); r.Code != 0 || r.Out != "no session is here for you\n" {
		t.Errorf("mallory: %+v", r)
	}
	for _, name := range []string{"mwalice/work", "mwalice/nothing"} {
		if r := h.SSH(host.Mallory, "x@127.0.0.1", "attach", "-t", name); r.Code != 1 || strings.Contains(r.Err, "permitted") {
			t.Errorf("mallory: %+v", r)
		}
	}
	for _, e := range h.Audit() {
		if e.Door == "ssh" && (e.Person != "" && e.Kind != "absorbed") && (!strings.HasPrefix(e.Key, "SHA256:") || !strings.HasPrefix(e.From, "127.0.0.1:")) {
			t.Errorf("an event without its key or address: %+v", e)
		}
	}
	h.VerifyAudit()
}

// TestSSHLookBack: who comes by ssh looks back, by a key and by the wheel, selects with
// the mouse, and is shown the pane again; that is theirs alone there, too.
func TestSSHLookBack(t *testing.T) {
	h := host.Start(t, host.Config{SSH: byKey, Policy: map[string]string{"grants.yaml": shared +
		"  - {who: mwcarol, role: operator, on: mwalice/work, reason: she helps}\n"}})
	h.Must(host.Alice, "new-session", "-d", "-s", "work", "-x", "80", "-y", "24", "seq -f 'line %g of many' 300; exec cat")
	s := h.Server(host.Alice)
	s.Run("set-option", "-g", "mouse", "on", ";", "set-option", "-g", "mode-keys", "vi")
	c := h.SSHTerminal(host.Carol, tmuxtest.TerminalConfig{Term: "xterm-256color"}, "mwalice/work@127.0.0.1")
	c.WaitFor("line 300 of many")
	c.Type("\x02[g")
	c.WaitFor("line 1 of many")
	c.Type("q")
	c.WaitFor("line 300 of many")
	c.WaitGone("looking back")
	c.Type("\x1b[<64;5;5M")
	c.WaitFor("looking back, for you alone")
	tmuxtest.Eventually(t, func() bool {
		return strings.HasPrefix(c.Screen()[0], "line 2") && strings.Contains(c.Screen()[0], " of many")
	}, "the first row is drawn")
	number := c.Screen()[0][len("line "):len("line 274")]
	c.Type("\x1b[<0;6;1M\x1b[<32;7;1M\x1b[<32;8;1M\x1b[<0;8;1m")
	text := "\x1b]52;c;" + base64.StdEncoding.EncodeToString([]byte(number)) + "\x07"
	tmuxtest.Eventually(t, func() bool { return strings.Contains(string(c.Bytes()), text) }, "carol's clipboard is told; she sees\n%s", strings.Join(c.Screen(), "\n"))
	c.WaitFor("line 300 of many")
	c.WaitGone("looking back")
	c.Type("\x02]")
	tmuxtest.Eventually(t, func() bool { return strings.Contains(s.Run("capture-pane", "-p", "-t", "work"), "\n"+number) }, "it is typed into the pane")
	if mode := strings.TrimSpace(s.Run("display-message", "-p", "-t", "work", "#{pane_in_mode}")); mode != "0" {
		t.Errorf("the pane is in a mode: %q", mode)
	}
	b := h.SSHTerminal(host.Bob, tmuxtest.TerminalConfig{}, "mwalice/work@127.0.0.1")
	b.WaitFor("line 300 of many")
	b.Type("\x1b[<64;5;5M")
	b.WaitFor("looking back")
	less := strings.Replace(shared, "role: viewer, on: mwalice/work", "verbs: [view], on: mwalice/work", 1)
	h.Reload("grants.yaml", less)
	b.WaitTold("you may not look back here any more")
	b.WaitGone("looking back")
	h.VerifyAudit()
}

// TestSSHCommands: what a command prints, reads and exits with is as at the tmux
// door, so scripts work.
func TestSSHCommands(t *testing.T) {
	h := host.Start(t, host.Config{SSH: byKey, Policy: map[string]string{"grants.yaml": shared}})
	h.Must(host.Alice, "new-session", "-d", "-s", "work", "cat")
	const at = "x@127.0.0.1"
	for _, c := range []struct {
		line     string
		out, err string
		code     int
	}{
		{`tmux display-message -p '#{session_name}'`, "work\n", "", 0},
		{`tmux display -p "a  b" \; display -p c`, "a  b\nc\n", "", 0},
		{`tmux has-session -t nowhere`, "", "can't find session: nowhere\n", 1},
		{`tmux -u has -t work`, "", "", 0},
		{`has -t =work`, "", "", 0},
		{`tmux run-shell 'exit 3'`, "", "", 3},
		{`tmux nonsense`, "", "unknown command: nonsense\n", 1},
		{`tmux set-buffer -b x 'it'\''s'`, "", "", 0},
		{`tmux show-buffer -b x`, "it's", "", 0},
		{`tmux display -p $HOME`, "", "no shell runs here", 1},
		{`tmux -L other ls`, "", "tmux -L is not offered over ssh", 1},
		{`tmux -CC attach`, "", "tmux -CC needs a terminal; ask for one with: ssh -t", 1},
		{`tmux attach -t work`, "", "open terminal failed: not a terminal", 1},
		{`tmux load-buffer /etc/hostname`, "", "ermitted", 1},
		{`tmux save-buffer -b x ` + h.Base + `/canary`, "", "ermitted", 1},
	} {
		r := h.SSH(host.Alice, at, c.line)
		r.Out = strings.TrimPrefix(r.Out, "'exit 3' returned 3\n") // 3.2 and 3.7 print it
		if r.Out != c.out || r.Code != c.code || !strings.Contains(r.Err, c.err) || c.err == "" && r.Err != "" {
			t.Errorf("%s: %+v", c.line, r)
		}
	}
	if _, err := os.Stat(h.Base + "/canary"); err == nil {
		t.Error("a file was written on the host")
	}
	big := strings.Repeat("0123456789abcdef", 16<<10)
	if r := h.SSHInput(host.Alice, []byte(big), at, "tmux load-buffer -b big -"); r.Code != 0 {
		t.Errorf("load-buffer: %+v", r)
	}
	if r := h.SSH(host.Alice, at, "tmux show-buffer -b big"); r.Code != 0 || r.Out != big {
		t.Errorf("%d bytes of %d came back, %q", len(r.Out), len(big), r.Err)
	}
}

// TestSSHLobby: somebody who names nothing chooses from what they may see, also on a
// small screen, and comes back there.
func TestSSHLobby(t *testing.T) {
	h := host.Start(t, host.Config{SSH: byKey, Policy: map[string]string{"grants.yaml": shared +
		"  - {who: mwbob, role: typist, on: mwalice/build, reason: builds}\n"}})
	for _, s := range []string{"work", "build", "secret"} {
		h.Must(host.Alice, "new-session", "-d", "-s", s, "echo in-"+s+"; cat")
	}
	var b *tmuxtest.Terminal
	asked := func() {
		t.Helper()
		tmuxtest.Eventually(t, func() bool {
			return strings.HasSuffix(strings.TrimSpace(strings.Join(b.Screen(), "\n")), "\n>")
		}, "it asks")
	}
	b = h.SSHTerminal(host.Bob, tmuxtest.TerminalConfig{Cols: 40, Rows: 12}, "127.0.0.1")
	b.WaitFor("you are mwbob")
	b.WaitFor("mwalice/build  view, type")
	b.WaitFor("mwalice/work  view")
	if b.Contains("secret") {
		t.Errorf("bob sees %q", b.Screen())
	}
	b.Type("nothing like it")
	b.WaitFor("none of your 2 sessions is called so")
	b.Type("\r")
	b.WaitFor("no one session is called so")
	b.Type("wrok\x7f\x7f\x7fo") // what is typed is looked for at once
	tmuxtest.Eventually(t, func() bool { return b.Contains("1  mwalice/work") && !b.Contains("build") }, "the list is shorter")
	b.Type("rk\r")
	b.WaitFor("in-work")
	b.Type("\x02d")
	asked()
	b.Type("1\r")
	b.WaitFor("in-build")
	b.Resize(50, 14)
	tmuxtest.Eventually(t, func() bool {
		return strings.Contains(h.Server(host.Alice).Run("list-clients", "-F", "#{client_width}x#{client_height}"), "50x14")
	}, "the size arrives")
	// What was pasted into a session is no answer here.
	b.Type("\x02d" + strings.Repeat("2\r", 4000))
	asked()
	b.Type("q\r")
	if code := b.ExitCode(); code != 0 {
		t.Errorf("bob's ssh exits %d: %q", code, b.Screen())
	}
}

// TestSSHCertificates: a certificate of an authority is as good as a key, for as
// long as it is valid.
func TestSSHCertificates(t *testing.T) {
	h := host.Start(t, host.Config{SSH: byKey, Policy: map[string]string{"grants.yaml": shared}})
	h.Must(host.Alice, "new-session", "-d", "-s", "work", "cat")
	ca, key := h.NewKey("ca"), h.NewKey("laptop")
	pub, err := os.ReadFile(ca + ".pub")
	if err != nil {
		t.Fatal(err)
	}
	tries := 0
	try := func(sign ...string) host.Result {
		t.Helper()
		tries++ // an address that fails often has to wait
		h.Keygen(append(append([]string{"-s", ca}, sign...), key+".pub")...)
		return h.Exec("root", []byte{}, "ssh", append(h.SSHArgs(key), "-b", fmt.Sprintf("127.0.0.%d", 10+tries), "-o", "CertificateFile="+key+"-cert.pub", "x@127.0.0.1", "ls")...)
	}
	good := []string{"-I", "bob's laptop", "-n", "mwbob", "-z", "7", "-V", "-1m:+1h"}
	if r := try(good...); r.Code != 255 {
		t.Errorf("before there is an authority: %+v", r)
	}
	h.WriteSSH("authorities", string(pub))
	h.Signal(syscall.SIGHUP)
	tmuxtest.Eventually(t, func() bool { return try(good...).Code == 0 }, "the certificate is taken")
	for why, sign := range map[string][]string{
		"expired":        {"-I", "x", "-n", "mwbob", "-V", "-2h:-1h"},
		"not yet valid":  {"-I", "x", "-n", "mwbob", "-V", "+1h:+2h"},
		"no principals":  {"-I", "x"},
		"a person here":  {"-I", "x", "-n", "deploy"},
		"force-command":  {"-I", "x", "-n", "mwbob", "-O", "force-command=id"},
		"source-address": {"-I", "x", "-n", "mwbob", "-O", "source-address=10.0.0.0/8"},
	} {
		if r := try(sign...); r.Code != 255 {
			t.Errorf("%s: %+v", why, r)
		}
		tmuxtest.Eventually(t, func() bool {
			return slices.ContainsFunc(h.Audit(), func(e host.Event) bool {
				return e.Kind == "door" && e.Door == "ssh" && strings.Contains(e.Reason, why)
			})
		}, "the log tells of %q", why)
	}
	// A list that cannot be read keeps what it said, and takes no others along.
	h.WriteSSH("authorities", string(pub)+"nonsense\n")
	h.WriteSSH("revoked", "serial: 7\n")
	h.Signal(syscall.SIGHUP)
	tmuxtest.Eventually(t, func() bool { return try(good...).Code == 255 }, "the revoked certificate is refused")
	tmuxtest.Eventually(t, func() bool { return strings.Contains(h.Output(), "authorities:2") }, "muxward says what is wrong")
	again := []string{"-I", "bob's laptop", "-n", "mwbob", "-z", "8", "-V", "-1m:+1h"}
	if r := try(again...); r.Code != 0 {
		t.Errorf("what was read last of the authorities does not stand: %+v", r)
	}
	// The same by a list as ssh-keygen makes it; one that is cut off gives nothing back.
	spec, krl := h.Base+"/spec", h.Base+"/krl"
	if err := os.WriteFile(spec, []byte("id: bob's laptop\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	h.Keygen("-k", "-f", krl, "-s", ca+".pub", spec)
	list, err := os.ReadFile(krl)
	if err != nil {
		t.Fatal(err)
	}
	h.WriteSSH("revoked", string(list))
	h.Signal(syscall.SIGHUP)
	tmuxtest.Eventually(t, func() bool { return try(again...).Code == 255 }, "the certificate is refused by its id")
	if r := try("-I", "bob's phone", "-n", "mwbob", "-z", "7", "-V", "-1m:+1h"); r.Code != 0 {
		t.Errorf("what is not in the list: %+v", r)
	}
	h.WriteSSH("revoked", string(list[:len(list)-3]))
	h.Signal(syscall.SIGHUP)
	tmuxtest.Eventually(t, func() bool { return strings.Contains(h.Output(), "revoked keys in binary form is broken") }, "it is told")
	if r := try(again...); r.Code != 255 {
		t.Errorf("a broken list gives back what was revoked: %+v", r)
	}
}

// TestSSHEnd: people at the SSH door are told that muxward ends, and have their
// terminals back; the host is the same afterwards.
func TestSSHEnd(t *testing.T) {
	h := host.Start(t, host.Config{SSH: byKey, Policy: map[string]string{"grants.yaml": shared}})
	h.Must(host.Alice, "new-session", "-d", "-s", "work", "cat")
	a := h.SSHTerminal(host.Alice, tmuxtest.TerminalConfig{}, "work@127.0.0.1")
	a.WaitFor("[work]")
	b := h.SSHTerminal(host.Bob, tmuxtest.TerminalConfig{}, "127.0.0.1")
	b.WaitFor("q leaves")
	c := h.SSHControl(host.Carol, "x@127.0.0.1", "tmux -C attach -t mwalice/work")
	c.Wait("%session-changed")
	before, key := a.First(), h.HostKey()
	h.Stop()
	for who, x := range map[string]*tmuxtest.Terminal{"alice": a, "bob": b} {
		if code := x.ExitCode(); code == 0 || !x.Contains("muxward is ending") || x.Contains("may not view") || x.Contains("muxward: muxward") {
			t.Errorf("%s: exit %d, %q", who, code, x.Screen())
		}
	}
	if code := c.Code(); code == 0 || !c.Has("%exit muxward is ending") {
		t.Errorf("carol: exit %d, %q", code, c.Said())
	}
	if a.Termios() != before {
		t.Error("alice's terminal is not as it was")
	}
	h.Run()
	if r := h.Muxward("", "ssh-config", "--host", "bastion"); r.Code != 0 || !strings.Contains(r.Out, "[bastion]:") || !strings.Contains(r.Out, key) {
		t.Errorf("ssh-config: %+v", r)
	}
	if h.HostKey() != key {
		t.Errorf("the host key was %s and is %s", key, h.HostKey())
	}
	if r := h.SSH(host.Alice, "x@127.0.0.1", "has", "-t", "work"); r.Code != 0 {
		t.Errorf("afterwards: %+v", r)
	}
}

// TestSSHUserMode: an ordinary account shares its tmux with people who have a key and
// no account.
func TestSSHUserMode(t *testing.T) {
	h := host.Start(t, host.Config{User: host.Alice, SSH: []string{host.Alice, "guest"}, Policy: map[string]string{
		"people.yaml": "people:\n  mwalice: {}\n  guest: {}\n",
		"grants.yaml": fmt.Sprintf("grants:\n  - {who: guest, role: viewer, on: %s/work, reason: looks}\n", host.Alice),
	}})
	if r := h.SSH(host.Alice, "x@127.0.0.1", "tmux", "new-session", "-d", "-s", "work", "cat"); r.Code != 0 {
		t.Fatalf("alice: %+v", r)
	}
	if r := h.SSH("guest", "x@127.0.0.1", "ls"); r.Code != 0 || !strings.HasPrefix(r.Out, "mwalice/work") {
		t.Errorf("the guest: %+v", r)
	}
	if r := h.SSH("guest", "x@127.0.0.1", "new", "-d"); r.Code != 1 || !strings.Contains(r.Err, "account") {
		t.Errorf("the guest starts a server: %+v", r)
	}
	if r := h.SSH("guest", "x@127.0.0.1", "kill-session", "-t", "mwalice/work"); r.Code != 1 {
		t.Errorf("the guest ends a session: %+v", r)
	}
	// Keys are in the people's file, too; what goes from there goes at once.
	tablet := h.NewKey("tablet")
	pub, err := os.ReadFile(tablet + ".pub")
	if err != nil {
		t.Fatal(err)
	}
	people := "people:\n  mwalice: {}\n  guest: {keys: ['" + strings.TrimSpace(string(pub)) + "']}\n"
	h.Reload("people.yaml", people)
	x := tmuxtest.Open(t, tmuxtest.TerminalConfig{}, "ssh", append(h.SSHArgs(tablet), "-tt", "mwalice/work@127.0.0.1")...)
	x.WaitFor("[work]")
	h.Reload("people.yaml", "people:\n  mwalice: {}\n  guest: {}\n")
	if code := x.ExitCode(); code == 0 || !x.Contains("not taken any more") {
		t.Errorf("the tablet's ssh exits %d: %q", code, x.Screen())
	}
}

// TestSSHLimits: what the line of a key says holds: from where, and without a
// terminal.
func TestSSHLimits(t *testing.T) {
	h := host.Start(t, host.Config{SSH: byKey, Policy: map[string]string{"grants.yaml": shared}})
	h.Must(host.Alice, "new-session", "-d", "-s", "work", "cat")
	h.AllowKey(host.Bob, h.KeyOf(host.Bob), `restrict `)
	h.AllowKey(host.Carol, h.KeyOf(host.Carol), `from="127.0.0.7" `)
	h.Signal(syscall.SIGHUP)
	tmuxtest.Eventually(t, func() bool { return h.SSH(host.Carol, "-b", "127.0.0.6", "x@127.0.0.1", "ls").Code == 255 }, "carol may not come from there")
	if r := h.SSH(host.Carol, "-b", "127.0.0.7", "x@127.0.0.1", "ls"); r.Code != 0 {
		t.Errorf("carol: %+v", r)
	}
	if r := h.SSH(host.Bob, "x@127.0.0.1", "ls"); r.Code != 0 {
		t.Errorf("bob: %+v", r)
	}
	b := h.SSHTerminal(host.Bob, tmuxtest.TerminalConfig{}, "x@127.0.0.1", "attach", "-t", "mwalice/work")
	if code := b.ExitCode(); code == 0 || b.Contains("[work]") {
		t.Errorf("bob has a terminal: exit %d, %q", code, b.Screen())
	}
	if r := h.SSH(host.Bob, "-T", "127.0.0.1"); r.Code != 0 || r.Out != "mwalice/work\tview\n" {
		t.Errorf("bob's list: %+v", r)
	}
}

// TestSSHSlow: somebody whose ssh is stopped in a flood holds nobody up, and sees the
// screen as it is when they go on.
func TestSSHSlow(t *testing.T) {
	h := host.Start(t, host.Config{SSH: byKey, Policy: map[string]string{"grants.yaml": shared}})
	h.Must(host.Alice, "new-session", "-d", "-s", "work", "read go; seq 1 400000; echo the-end; cat")
	a := h.Terminal(host.Alice, tmuxtest.TerminalConfig{}, "attach", "-t", "work")
	a.WaitFor("[work]")
	b := h.SSHTerminal(host.Bob, tmuxtest.TerminalConfig{}, "mwalice/work@127.0.0.1")
	b.WaitFor("[work]")
	b.Signal(syscall.SIGSTOP)
	a.Type("\r")
	a.WaitFor("the-end")
	a.Type("still-here\r")
	a.WaitFor("still-here")
	b.Signal(syscall.SIGCONT)
	b.WaitFor("still-here")
	tmuxtest.Eventually(t, func() bool { return slices.Equal(a.Screen()[:20], b.Screen()[:20]) }, "both see the same")
}

// TestSSHAuthority: muxward's own authority signs a key for a while.
func TestSSHAuthority(t *testing.T) {
	h := host.Start(t, host.Config{SSH: byKey, Policy: map[string]string{"grants.yaml": shared}})
	h.Must(host.Alice, "new-session", "-d", "-s", "work", "cat")
	ca, key := h.Base+"/ssh/authority", h.NewKey("phone")
	must := func(args ...string) {
		t.Helper()
		if r := h.Muxward("", append([]string{"ssh-ca"}, args...)...); r.Code != 0 {
			t.Fatalf("ssh-ca %q: %+v", args, r)
		}
	}
	must("new", ca)
	if r := h.Muxward("", "ssh-ca", "new", ca); r.Code == 0 {
		t.Error("an authority was written over")
	}
	if info, err := os.Stat(ca); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info, err)
	}
	pub, err := os.ReadFile(ca + ".pub")
	if err != nil {
		t.Fatal(err)
	}
	h.WriteSSH("authorities", string(pub))
	h.Signal(syscall.SIGHUP)
	try := func(from string) host.Result {
		t.Helper()
		return h.Exec("root", []byte{}, "ssh", append(h.SSHArgs(key), "-b", from, "-o", "CertificateFile="+key+"-cert.pub", "x@127.0.0.1", "ls")...)
	}
	must("sign", "--ca", ca, "--as", host.Bob, "--for", "10m", "--from", "127.0.2.0/24", key+".pub")
	tmuxtest.Eventually(t, func() bool { return try("127.0.2.1").Code == 0 }, "the certificate is taken")
	if r := try("127.0.3.1"); r.Code != 255 {
		t.Errorf("from elsewhere: %+v", r)
	}
	for _, args := range [][]string{
		{"sign", "--ca", ca, "--as", "Bob", key + ".pub"}, {"sign", "--ca", ca, key + ".pub"}, {"sign", "--as", host.Bob, key + ".pub"},
		{"sign", "--ca", ca, "--as", host.Bob, "--for", "-1h", key + ".pub"}, {"sign", "--ca", ca, "--as", host.Bob, key},
	} {
		if r := h.Muxward("", append([]string{"ssh-ca"}, args...)...); r.Code != 2 {
			t.Errorf("%q: %+v", args, r)
		}
	}
}

// TestSSHBrokenLists: the administrator revokes bob's key and makes a mistake one line
// above. What was understood holds; that something was not is told until it is mended.
func TestSSHBrokenLists(t *testing.T) {
	h := host.Start(t, host.Config{SSH: byKey, Policy: map[string]string{"grants.yaml": shared}})
	h.Must(host.Alice, "new-session", "-d", "-s", "work", "cat")
	const at, broken = "x@127.0.0.1", "lists of the ssh door are broken"
	if r := h.SSH(host.Bob, at, "ls"); r.Code != 0 {
		t.Fatalf("bob: %+v", r)
	}
	h.WriteSSH("revoked", "seriel: 12\n"+h.PublicKey(host.Bob))
	tmuxtest.Eventually(t, func() bool { return h.SSH(host.Bob, at, "ls").Code == 255 }, "bob's key is refused")
	if r := h.SSH(host.Carol, at, "ls"); r.Code != 0 {
		t.Errorf("carol: %+v", r)
	}
	if r := h.Muxward("root", "status"); !strings.Contains(r.Out+r.Err, broken) || !strings.Contains(r.Out+r.Err, "revoked:1") {
		t.Errorf("status: %+v", r)
	}
	h.WriteSSH("revoked", "") // as somebody who writes it anew begins: nothing is given back
	tmuxtest.Eventually(t, func() bool { return strings.Contains(h.Muxward("root", "status").Out, "revoked is empty") }, "it is told")
	if r := h.SSH(host.Bob, at, "ls"); r.Code != 255 {
		t.Errorf("bob with an empty list: %+v", r)
	}
	h.WriteSSH("revoked", "# nothing\n")
	tmuxtest.Eventually(t, func() bool { return h.SSH(host.Bob, at, "ls").Code == 0 }, "bob's key is taken again")
	if r := h.Muxward("root", "status"); strings.Contains(r.Out+r.Err, broken) {
		t.Errorf("status: %+v", r)
	}
}
