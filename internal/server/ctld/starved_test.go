package ctld

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/muxward/muxward/internal/identity"
)

// starved finds out about nobody, for a reason.
type starved struct {
	*identity.Prover
	why error
}

func (s starved) Prove(context.Context, *identity.Peer, string, bool) (identity.Identity, error) {
	return identity.Identity{}, fmt.Errorf("read the accounts: %w", s.why)
}

// TestStarved: who is known, and cannot be found out about for want of descriptors, hears that. Other reasons are
// nobody's to hear.
func TestStarved(t *testing.T) {
	for why, want := range map[error]error{
		unix.EMFILE: errStarved, unix.ENFILE: errStarved, unix.EIO: errUnknown, errors.New("SECRET"): errUnknown,
	} {
		d := newDoorOf(t, &Server{Prover: starved{identity.NewProver(everybody{}), why}})
		if err := (Call{Act: "status"}).Do(soon(t), d.path, nil); err == nil || err.Error() != want.Error() {
			t.Errorf("%v: they hear %v", why, err)
		}
	}
}
