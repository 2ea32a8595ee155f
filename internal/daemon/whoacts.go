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
	var until time.Time // also if it is asked again
	return &gateway.Act{Name: "who-next", Open: true, Do: func(ctx context.Context, _ access.Object) (gateway.Result, error) {
		if until.IsZero() {
			until = time.Now().Add(acts.WhoWait)
		}
		tick := time.NewTicker(whoLook)
		defer tick.Stop()
		over := time.NewTimer(time.Until(until))
		defer over.Stop()
		for {
			var now acts.PresentNow
			r, err := d.told(ctx, who, func(context.Context) (value any, err error) {
				now, err = d.presentFor(who)
				return now, err
			})
			if err != nil || now.Mark != seen {
				return r, err
			}
			select {
			case <-tick.C:
				r.Release()
			case <-over.C:
				return r, nil
			case <-ctx.Done():
				r.Release()
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
