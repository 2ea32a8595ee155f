package acts

import "github.com/muxward/muxward/internal/grants"

// ShownLease is a lease as it is told: with for how long it waits for a holder who is not there,
// and what is left of that, in words of package time; who asks for the keyboard; and whether it is the asker's own.
type ShownLease struct {
	grants.Lease
	On    Where    `json:"on"`
	Grace string   `json:"grace"`
	Left  string   `json:"left,omitempty"`
	Asks  []string `json:"asks,omitempty"`
	Mine  bool     `json:"mine"`
	// Next is who has it when what was typed before is there.
	Next string `json:"next,omitempty"`
	// Did is what was done, in few words.
	Did string `json:"did,omitempty"`
}
