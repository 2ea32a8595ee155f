package acts

import (
	"github.com/muxward/muxward/internal/gateway"
	"github.com/muxward/muxward/internal/grants"
)

// Revoked is what `revoke`, `kick` and `lockdown` came to: of whom, on what ("" is all), how many
// earlier ones were lifted instead, and what was ended by it.
type Revoked struct {
	Person string `json:"person,omitempty"`
	Target string `json:"target,omitempty"`
	Lifted int    `json:"lifted,omitempty"`
	// Unknown: nothing was taken, and the policy names no such person, so it may be a name
	// that was mistyped. It stands all the same: people without a line are accounts of the host.
	Unknown bool           `json:"unknown,omitempty"`
	Report  gateway.Report `json:"report"`
}

// On is how a target is told behind what was done there: " on alice/work", and nothing for
// all of it.
func On(target string) string {
	if target == "" {
		return ""
	}
	return " on " + target
}

// ShownDenial is a revocation or a lockdown as it is told.
type ShownDenial struct {
	grants.Denial
	Scope Where `json:"scope"`
}

// Lockdown is a lockdown as it is listed.
type Lockdown struct {
	ShownDenial
	// Stopped are those whose tmux servers there stand still: they did not confirm it.
	Stopped []string `json:"stopped,omitempty"`
}

// Where names what is locked down.
func (l Lockdown) Where() string {
	if l.Target == "" {
		return "(host)"
	}
	return l.Target
}
