package identity

import (
	"bytes"
	"context"
	"slices"
	"strings"

	"github.com/muxward/muxward/internal/procfs"
)

// maxEnviron is how much of a peer's environment is looked through.
const maxEnviron = 64 << 10

// claimNames are the variables in which a peer may say whom it stands for.
func claimNames() []string { return []string{"SUDO_UID", "SUDO_USER"} }

// ForcedMark is the variable that `muxward attach` gives to the tmux client that it
// becomes. Without it a client that muxward has forgotten, as it began anew, would be a
// program of the account's own. It takes away only: whoever sets it shuts themselves out.
const ForcedMark = "MUXWARD_FORCED"

// WithForced has another tell whether a process has ForcedMark, where its environment is not
// ours to read. Else one that cannot be read has it not. With an error it counts as if, but see
// [Identity.Freezing].
func WithForced(f func(ctx context.Context, pid int, uid uint32) (bool, error)) Option {
	return func(p *Prover) { p.forced = f }
}

// claims reads what the process says about itself. The process writes its
// environment itself: for the log, never for a decision to let somebody in.
func claims(pid int) (said map[string]string, forced bool) {
	data, err := procfs.Read(pid, "environ", maxEnviron)
	if err != nil {
		return nil, false // another account's, or gone: nothing is claimed then
	}
	return parseClaims(data)
}

func parseClaims(environ []byte) (said map[string]string, forced bool) {
	for kv := range bytes.SplitSeq(environ, []byte{0}) {
		k, v, ok := strings.Cut(string(kv), "=")
		forced = forced || k == ForcedMark
		if !ok || !slices.Contains(claimNames(), k) || !plain(v) {
			continue
		}
		if said == nil {
			said = map[string]string{}
		}
		said[k] = v
	}
	return said, forced
}

// plain reports whether a claim may be kept: short and printable ASCII.
func plain(s string) bool {
	if s == "" || len(s) > maxName {
		return false
	}
	for i := range len(s) {
		if s[i] <= ' ' || s[i] > '~' {
			return false
		}
	}
	return true
}
