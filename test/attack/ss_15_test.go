package attack

import (
	"os"
	"strings"
	"testing"

	"github.com/muxward/muxward/test/host"
)

// Somebody could have read the host key, so they could be this host to everybody. It
// is not used. One that is changed under a running muxward changes nothing there.
func TestSS15HostKey(t *testing.T) {
	t.Parallel()
	for _, build := range []string{"", "teeth_ssh"} {
		h := host.Prepare(t, host.Config{SSH: []string{host.Alice}, Build: build})
		h.Run()
		key := h.State + "/ssh_host_ed25519_key"
		was := h.HostKey()
		good, err := os.ReadFile(key)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(key, []byte("another"), 0o600); err != nil {
			t.Fatal(err)
		}
		if r := h.SSH(host.Alice, "x@127.0.0.1", "new", "-d", "cat"); r.Code != 0 {
			t.Errorf("the key was changed under it: %+v", r)
		}
		h.Stop()
		if err := os.WriteFile(key, good, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(key, 0o644); err != nil {
			t.Fatal(err)
		}
		err = h.TryRun()
		if (err != nil) != (build == "") || err != nil && !strings.Contains(err.Error(), "may be read by others") {
			t.Errorf("build %q: %v", build, err)
		}
		if err := os.Chmod(key, 0o600); err != nil {
			t.Fatal(err)
		}
		if err == nil {
			continue
		}
		if h.Run(); h.HostKey() != was {
			t.Errorf("the host key was %s and is %s", was, h.HostKey())
		}
	}
}
