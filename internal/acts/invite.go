package acts

import (
	"time"

	"github.com/muxward/muxward/internal/gateway"
	"github.com/muxward/muxward/internal/grants"
)

// Shared is what `share` came to. The code is told this once, to who made it.
type Shared struct {
	ShownInvite
	Code string `json:"code"`
}

// ShownInvite is an invite as it is listed. Its code is not in it.
type ShownInvite struct {
	ID     int64        `json:"id"`
	What   string       `json:"what"`
	Target string       `json:"target"`
	Until  time.Time    `json:"until"`
	By     string       `json:"by"`
	Uses   int          `json:"uses"`
	Used   []grants.Use `json:"used"`
	Bind   bool         `json:"bind,omitempty"`
	// Approve: who comes by it waits until somebody lets them in.
	Approve bool   `json:"approve,omitempty"`
	Reason  string `json:"reason,omitempty"`
}

// ClosedInvite is what `invite revoke` came to: the invite, the grants of those who had come by it,
// which were taken back with it, and what was ended.
type ClosedInvite struct {
	Invite ShownInvite    `json:"invite"`
	Taken  []ShownGrant   `json:"taken"`
	Report gateway.Report `json:"report"`
}
