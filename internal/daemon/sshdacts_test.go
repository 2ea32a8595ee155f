package daemon

import (
	"strings"
	"testing"

	"github.com/muxward/muxward/internal/identity"
	"github.com/muxward/muxward/internal/server/ctld"
)

// TestKeysAsksWhoFirst: whoever may not ask about keys has nothing read, looked up or
// written for them: this muxward has no accounts, and no log.
func TestKeysAsksWhoFirst(t *testing.T) {
	d := &daemon{tickets: &identity.Tickets{Asker: "asker"}}
	for _, key := range []string{"", "no key", "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl"} {
		line, err := d.keysOf(t.Context(), identity.Supposed(identity.Subject{Person: "mallory", UID: -1}), ctld.Call{Act: "keys", Account: "work", Key: key})
		if line != nil || err == nil || !strings.Contains(err.Error(), "whoever asks for a ticket") {
			t.Errorf("%q: %v, %v", key, line, err)
		}
	}
}

// TestKeysOfNoTickets: where no tickets are given, that is said, and not that the versions differ.
func TestKeysOfNoTickets(t *testing.T) {
	_, err := (&daemon{}).act(identity.Supposed(identity.Subject{Person: "mallory", UID: 1002}), ctld.Call{Act: "keys"})
	if err == nil || !strings.Contains(err.Error(), "keys_user") {
		t.Error(err)
	}
}
