package daemon

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"time"

	"github.com/muxward/muxward/internal/access"
	"github.com/muxward/muxward/internal/acts"
	"github.com/muxward/muxward/internal/gateway"
	"github.com/muxward/muxward/internal/identity"
)

// whoLook is how often it is looked for one.
const whoLook = 500 * time.Millisecond

// whoNextAct tells who is there once that is not what was seen last, or after a while.
// It is found out again each time, by what the asker may see by then.
func (d *daemon) whoNextAct(who identity.Identity, seen string) *gateway.Act {
	return &gateway.Act{Name: "who-next", Open: true, Do: func(ctx context.Context, _ access.Object) (gateway.Result, error) {
		tick := time.NewTicker(whoLook)
		defer tick.Stop()
		over := time.NewTimer(acts.WhoWait)
		defer over.Stop()
		for {
			now, err := d.presentFor(who)
			if err != nil || now.Mark != seen {
				return gateway.Result{Value: now}, err
			}
			select {
			case <-tick.C:
			case <-over.C:
				return gateway.Result{Value: now}, nil
			case <-ctx.Done():
				return gateway.Result{}, context.Cause(ctx)
			}
		}
	}}
}

func (d *daemon) presentFor(who identity.Identity) (acts.PresentNow, error) {
	now := acts.PresentNow{At: d.gateway.Time(), People: d.visiblePeople(who)}
	text, err := json.Marshal(now.People)
	sum := sha256.Sum256(text)
	now.Mark = hex.EncodeToString(sum[:8])
	return now, err
}
