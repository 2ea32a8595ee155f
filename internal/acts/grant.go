package acts

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/muxward/muxward/internal/access"
	"github.com/muxward/muxward/internal/gateway"
	"github.com/muxward/muxward/internal/grants"
	"github.com/muxward/muxward/internal/identity"
	"github.com/muxward/muxward/internal/tmux"
)

// RoleWords lists the roles that can be given, with commas between.
func RoleWords() string {
	var words []string
	for _, r := range access.Roles() {
		words = append(words, string(r))
	}
	return strings.Join(words, ", ")
}

// TargetName is how a target is told; none is the host.
func TargetName(target string) string {
	if target == "" {
		return "the host"
	}
	return target
}

// FullTarget writes a target as everybody would: with its owner. "work" is one
// thing to alice and another to mallory, and a revocation must be known by
// words that mean the same whoever says them.
func FullTarget(g *gateway.Gateway, who identity.Identity, target string) string {
	isOwner := g.OwnerFor(who)
	if target == "" || isOwner(target) {
		return target
	}
	if owner, rest, ok := tmux.SplitOwner(target, isOwner); ok && owner == "" {
		return tmux.JoinOwner(who.Person(), rest)
	}
	return target
}

// WithReason is the words of an act with the reason that was given for it, if there is one.
func WithReason(args []string, reason string) []string {
	if reason == "" {
		return args
	}
	return append(args, "--reason", reason)
}

// ShownGrant is a grant as it is listed.
type ShownGrant struct {
	grants.Grant
	Verbs []string `json:"verbs"`
	On    Where    `json:"on"`
	Giver Giver    `json:"giver"`
	// Counts is false while its giver does not hold what they gave, or before it
	// begins.
	Counts bool `json:"counts"`
}

// Lasting says from when until when a grant counts.
func Lasting(g grants.Grant) string {
	text := ""
	if !g.NotBefore.IsZero() {
		text += " from " + g.NotBefore.Local().Format(time.DateTime)
	}
	if !g.Until.IsZero() {
		text += " until " + g.Until.Local().Format(time.DateTime)
	}
	return text
}

// Holding says of somebody what they are or may do: of a role the one, of verbs the other.
func Holding(who, what string) string {
	if slices.Contains(access.Roles(), access.Role(what)) {
		return who + " is " + what
	}
	return who + " may " + what
}

// Briefly words a time without the parts of it that are nothing: 30m, and not 30m0s.
func Briefly(d time.Duration) string {
	text := d.String()
	for _, none := range []string{"m0s", "h0m"} {
		if strings.HasSuffix(text, none) {
			text = text[:len(text)-2]
		}
	}
	return text
}

// JoinedText says what somebody was given.
func JoinedText(g ShownGrant) string {
	note := ""
	if !g.Counts {
		note = "; it does not count now"
	}
	return fmt.Sprintf("you are %s on %s%s, by %s%s", g.What, tmux.OneLine(TargetName(g.Target)), Lasting(g.Grant), g.Giver.Person, note)
}

// TakenBack is what `grants take-back` came to: the grant, and what was ended with it.
type TakenBack struct {
	Grant  ShownGrant     `json:"grant"`
	Report gateway.Report `json:"report"`
}
