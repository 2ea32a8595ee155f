package daemon

import (
	"context"
	"errors"
	"os"

	"github.com/muxward/muxward/internal/access"
	"github.com/muxward/muxward/internal/gateway"
	"github.com/muxward/muxward/internal/identity"
	"github.com/muxward/muxward/internal/server/ctld"
)

// mendedAct writes into the log what `muxward sockets` did: to carry it out is to write
// it down. Only who could write into the log's files anyway is heard.
func mendedAct(who identity.Identity, c ctld.Call) (*gateway.Act, error) {
	if uid, ok := who.UID(); !ok || !keepsHost(uid) {
		return nil, errors.New("only root, and who runs muxward, tell what was done to sockets")
	}
	if len(c.Argv) < 4 {
		return nil, errors.New("say what was mended, of whom, where, and what came of it")
	}
	nothing := func(context.Context, access.Object) (gateway.Result, error) { return gateway.Result{}, nil }
	return &gateway.Act{Name: "mended", Args: c.Argv, Open: true, Do: nothing}, nil
}

// keepsHost reports whether an account is root, or the one that this muxward runs as.
func keepsHost(uid uint32) bool { return uid == 0 || uid == uint32(os.Geteuid()) }
