package script

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/muxward/muxward/test/host"
)

// TestHostFleet: hosts are asked over a real ssh what differs on them. One is as its files say,
// one is not, one has no muxward, one lets nobody in, one answers what would clear a terminal,
// one never ends, one never begins. Each is told of as what it is, and none keeps the others.
func TestHostFleet(t *testing.T) {
	h := host.Start(t, host.Config{SSH: byKey})
	dir, tree := h.Base+"/hosts", t.TempDir()
	if err := os.Chmod(tree, 0o755); err != nil {
		t.Fatal(err)
	}
	if r := h.Muxward("root", "host", "init", dir); r.Code != 0 {
		t.Fatalf("host init: %+v", r)
	}
	if r := h.Muxward("root", "host", "apply", dir, "--host", "any", "--root", tree, "--no-owners"); r.Code != 0 {
		t.Fatalf("host apply: %+v", r)
	}
	// As the first shell of a connection bash reads root's own .bashrc (bash(1)), whatever that waits for: by SHLVL it is not
	// the first (tried with 5.2).
	s := h.StartSSHD("PermitRootLogin forced-commands-only\nStrictModes no\nSetEnv SHLVL=1\nAuthorizedKeysFile " + h.Base + "/ssh/allowed\n")
	bin := filepath.Dir(s.Bin)
	evil := `{"schema":1,"host":"good","drift":true,"changes":[{"do":"\u001b[2Jmake","item":{"id":"\u001b]0;x\u0007","kind":"file","path":"/a\u009b2J\nb"},"diff":"+\u001b[31mred\n"}]}`
	var allowed, config, inventory strings.Builder
	for _, c := range []struct{ name, command string }{
		{"same", "PATH=" + bin + ":$PATH; $SSH_ORIGINAL_COMMAND --root " + tree + " --no-owners"},
		{"drifts", "rm -f " + tree + "/etc/tmux.conf; PATH=" + bin + ":$PATH; $SSH_ORIGINAL_COMMAND --root " + tree + " --no-owners"},
		{"bare", "PATH=/nonexistent; $SSH_ORIGINAL_COMMAND"},
		{"evil", "cat >/dev/null; printf '%s' '" + evil + "'; printf '\\033[2Jerr' >&2; exit 2"},
		{"says-no", "cat >/dev/null; printf '\\033[2Jno\\033[m way' >&2; exit 1"},
		{"liar", `cat >/dev/null; echo '{"schema":1,"changes":[]}'; exit 2`},
		{"flood", "cat >/dev/null; exec yes"},
		{"mute", "cat >/dev/null; exec sleep 600"},
	} {
		key := h.NewKey("at-" + c.name)
		public, err := os.ReadFile(key + ".pub")
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&allowed, "restrict,command=\"%s\" %s", strings.ReplaceAll(c.command, `"`, `\"`), public)
		fmt.Fprintf(&config, "Host %s\n\tIdentityFile %s\n", c.name, key)
		if c.name != "mute" {
			fmt.Fprintf(&inventory, "%s any\n", c.name)
		}
	}
	fmt.Fprintf(&config, "Host stranger\n\tIdentityFile %s\n", h.NewKey("at-stranger"))
	inventory.WriteString("stranger any # no key of theirs is known\n")
	fmt.Fprintf(&config, "Host *\n\tHostName 127.0.0.1\n\tPort %s\n\tUser root\n\tIdentitiesOnly yes\n\tUserKnownHostsFile %s/fleet-known\n\tStrictHostKeyChecking accept-new\n\tLogLevel ERROR\n",
		s.Args("x")[3], h.Base)
	for name, text := range map[string]string{"/ssh/allowed": allowed.String(), "/config": config.String(), "/inventory": inventory.String()} {
		if err := os.WriteFile(h.Base+name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	ask := func(hosts string, code int, more ...string) host.Result {
		t.Helper()
		r := h.Exec("root", []byte(hosts), s.Bin, append([]string{"host", "plan", dir, "--ssh-config", h.Base + "/config", "--timeout", "1m"}, more...)...)
		if r.Code != code {
			t.Errorf("%q %v: exit code %d, want %d\n%s%s", hosts, more, r.Code, code, r.Out, r.Err)
		}
		return r
	}
	if r := ask("same any\n", 0, "--hosts", "-"); r.Out != "= same\n1 hosts: 1 are as their files say, 0 differ, 0 could not be told\n" {
		t.Errorf("same: %q", r.Out)
	}
	if r := ask("drifts any\n", 2, "--hosts", "-"); !strings.HasPrefix(r.Out, "≠ drifts\n") || !strings.Contains(r.Out, "\n    MW-H130 make /etc/tmux.conf\n") {
		t.Errorf("drifts: %q", r.Out)
	}
	if r := ask("same\n-oProxyCommand=touch${IFS}/tmp/x\n", 1, "--hosts", "-"); !strings.Contains(r.Err, "line 2") {
		t.Errorf("an option for a host: %+v", r)
	}
	if r := ask("mute any\n", 1, "--hosts", "-", "--timeout", "1s"); !strings.Contains(r.Out, "? mute: it did not answer within 1s") {
		t.Errorf("mute: %+v", r)
	}
	r := ask("", 1, "--hosts", h.Base+"/inventory")
	if strings.ContainsAny(r.Out+r.Err, "\x1b\x07\u009b") {
		t.Errorf("a terminal would obey what a host says: %q", r.Out)
	}
	for _, want := range []string{"≠ evil\n", "? bare: ", "? says-no: ", "no", "? flood: it says more than a host may",
		"? stranger: ssh: ", "? liar: its plan makes no sense: it does not go with the exit code 2", "8 hosts: 0 are as their files say, 3 differ, 5 could not be told"} {
		if !strings.Contains(r.Out, want) {
			t.Errorf("%q is not in\n%s", want, r.Out)
		}
	}
	var all struct {
		Failed, Drift int
		Hosts         []struct{ Host, Outcome, Error string }
	}
	if r := ask("evil any\nbare any\n", 1, "--hosts", "-", "--json"); json.Unmarshal([]byte(r.Out), &all) != nil || all.Failed != 1 || all.Drift != 1 ||
		all.Hosts[0].Host != "evil" || all.Hosts[0].Outcome != "drift" || strings.ContainsAny(r.Out, "\x1b\u009b") {
		t.Errorf("JSON: %+v", r)
	}
}
