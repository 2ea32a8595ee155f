package script

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/muxward/muxward/internal/tmux/tmuxtest"
	"github.com/muxward/muxward/test/host"
)

// TestHostVerify: root tries the doors of alice and bob. Sessions come and go through them,
// sockets are shut, each door is for one; what is not tried is said. Nothing is left. A
// muxward that does not run is told of. At the ssh door somebody is refused, and alice's key taken.
// Logins are made as the files ask: those by PAM have the doors, and a login shell, for which nobody has
// set them here, has not.
func TestHostVerify(t *testing.T) {
	h := host.Start(t, host.Config{SSH: []string{host.Alice}})
	type told struct {
		Proofs []struct{ ID, Title, Outcome string }
	}
	verify := func(code int, more ...string) map[string]int {
		t.Helper()
		r := h.Muxward("root", append([]string{"host", "verify", "--as", host.Alice, "--as", host.Bob, "--json"}, more...)...)
		var got told
		if err := json.Unmarshal([]byte(r.Out), &got); err != nil || r.Code != code {
			t.Fatalf("exit code %d, want %d: %v\n%s%s", r.Code, code, err, r.Out, r.Err)
		}
		count := map[string]int{}
		for _, p := range got.Proofs {
			count[p.ID+" "+p.Outcome]++
		}
		return count
	}
	count := verify(3)
	for what, n := range map[string]int{
		"MW-V001 holds": 1, "MW-V010 holds": 2, "MW-V011 holds": 2, "MW-V020 holds": 2, "MW-V021 holds": 2, "MW-V060 not applicable": 1, "MW-V061 holds": 1, "MW-V062 unknown": 1,
	} {
		if count[what] != n {
			t.Errorf("%q %d times, want %d: %v", what, count[what], n, count)
		}
	}
	dir := filepath.Join(h.Base, "hosts")
	if err := errors.Join(os.Mkdir(dir, 0o755), os.WriteFile(filepath.Join(dir, "host.yaml"),
		[]byte("schema: 1\nenvironment: {profile_d: true, pam_env: true}\n"), 0o644)); err != nil {
		t.Fatal(err)
	}
	env := filepath.Join(h.Base, "environment")
	if err := os.WriteFile(env, []byte("TMUX_TMPDIR="+h.Doors+"\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, service := range []string{"su", "su-l", "sshd"} {
		tmuxtest.PAM(t, service, "auth sufficient pam_rootok.so\nauth required pam_deny.so\naccount required pam_permit.so\n"+
			"session required pam_permit.so\nsession optional pam_env.so readenv=1 envfile="+env+"\n")
	}
	if err := os.MkdirAll("/run/sshd", 0o755); err != nil { // as sshd wants it, also where none runs
		t.Fatal(err)
	}
	count = verify(1, "--key", h.KeyOf(host.Alice), "--state", h.State, "--host", "any", dir)
	sshd := "MW-V042 holds"
	if _, err := os.Stat("/usr/sbin/sshd"); err != nil {
		sshd = "MW-V042 not applicable"
	}
	for what, n := range map[string]int{"MW-V040 broken": 2, "MW-V041 holds": 4, sshd: 2, "MW-V061 holds": 1, "MW-V062 holds": 1, "MW-V060 unknown": 0} {
		if count[what] != n {
			t.Errorf("%q %d times, want %d: %v", what, count[what], n, count)
		}
	}
	for _, who := range []string{host.Alice, host.Bob} {
		if r := h.Tmux(who, "list-sessions"); strings.Contains(r.Out, "muxward-verify") {
			t.Errorf("a session of %s is left: %+v", who, r)
		}
	}
	h.Kill()
	if count := verify(1); count["MW-V001 broken"] != 1 {
		t.Errorf("no muxward runs: %v", count)
	}
}
