package keep

import (
	"context"
	"errors"
	"os"
	"testing"

	"github.com/muxward/muxward/internal/tmux/tmuxtest"
)

// A server that has us wait holds up no look at what is others', and nobody waits in a row
// for it.
func TestOneServerHoldsUpNobody(t *testing.T) {
	w := newWorld(t)
	slow, _ := w.opened("alice")
	bob, bobs := w.opened("bob")
	own, err := w.k.OpenDoor(t.Context(), Place{Account: w.named()})
	if err != nil {
		t.Fatal(err)
	}
	defer own.Listen.Close()
	s, err := w.k.server(slow.ID)
	if err != nil {
		t.Fatal(err)
	}
	s.look.Lock() // as while tmux is to make its socket anew, and is stopped
	for _, p := range []string{w.socket(bob), bobs.Path, own.Path} {
		if err := os.Chmod(p, 0o666); err != nil {
			t.Fatal(err)
		}
		tmuxtest.Eventually(t, func() bool {
			st, err := os.Lstat(p)
			return err == nil && st.Mode().Perm() == 0o600
		}, "%s is put right", p)
	}
	first := make(chan error, 1)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	go func() { first <- w.k.Mend(ctx, slow.ID) }()
	tmuxtest.Eventually(t, s.mending.Load, "it is being mended")
	if err := w.k.Mend(t.Context(), slow.ID); !errors.Is(err, ErrBusy) {
		t.Errorf("mended twice at once: %v", err)
	}
	cancel()
	if err := <-first; !errors.Is(err, ErrBusy) {
		t.Errorf("it waits: %v", err)
	}
	s.look.Unlock()
	if err := w.k.Mend(t.Context(), slow.ID); err != nil {
		t.Error(err)
	}
}
