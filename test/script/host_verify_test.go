package script

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/muxward/muxward/test/host"
)

// TestHostVerify: root tries the doors of alice and bob. Sessions come and go through them,
// sockets are shut, each door is for one; what is not tried is said. Nothing is left. A
// muxward that does not run is told of.
func TestHostVerify(t *testing.T) {
	h := host.Start(t, host.Config{})
	type told struct {
		Proofs []struct{ ID, Title, Outcome string }
	}
	verify := func(code int) map[string]int {
		t.Helper()
		r := h.Muxward("root", "host", "verify", "--as", host.Alice, "--as", host.Bob, "--json")
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
		"MW-V001 holds": 1, "MW-V010 holds": 2, "MW-V011 holds": 2, "MW-V020 holds": 2, "MW-V021 holds": 2, "MW-V060 unknown": 1, "MW-V061 unknown": 1,
	} {
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
