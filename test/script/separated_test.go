package script

import (
	"testing"

	"github.com/muxward/muxward/test/host"
)

// A muxward without rights of root's serves the accounts of the host: alice works, bob
// watches and types where he may, and what is taken from him is.
func TestSeparated(t *testing.T) {
	t.Parallel()
	h := host.Start(t, host.Config{Account: host.Ward})
	h.Must(host.Alice, "new", "-d", "-s", "work")
	t.Log(h.Must(host.Alice, "ls"))
	t.Log(h.Muxward("root", "status").Out)
	t.Log(h.Output())
}
