package settle

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/muxward/muxward/internal/gateway"
)

// Who waits hears what could not be confirmed, that a disk takes too long, and what it said; and of nothing else.
func TestWait(t *testing.T) {
	over, end := context.WithCancel(t.Context())
	end()
	hangs := func() error { <-t.Context().Done(); return nil }
	for name, c := range map[string]struct {
		ctx    context.Context
		keep   func() error
		unsaid []string
		want   []string
	}{
		"all is well":         {t.Context(), func() error { return nil }, nil, nil},
		"the disk fails":      {t.Context(), func() error { return errors.New("it is full") }, nil, []string{"it is full"}},
		"the disk hangs":      {over, hangs, nil, []string{"not on disk yet"}},
		"a server hangs":      {t.Context(), func() error { return nil }, []string{"alice's"}, []string{"not confirmed: alice's"}},
		"both, and two of it": {over, hangs, []string{"alice's", "bob's"}, []string{"not on disk yet", "alice's", "bob's"}},
	} {
		rep, err := Wait(c.ctx, c.keep, func() gateway.Report { return gateway.Report{Touched: 7, Unconfirmed: c.unsaid} })
		if rep.Touched != 7 || (err == nil) != (c.want == nil) {
			t.Errorf("%s: %+v, %v", name, rep, err)
		}
		for _, want := range c.want {
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%s: %v, without %q", name, err, want)
			}
		}
	}
}
