package gateway

import (
	"context"
	"fmt"
	"strings"

	"github.com/muxward/muxward/internal/access"
	"github.com/muxward/muxward/internal/identity"
	"github.com/muxward/muxward/internal/tmux"
)

// May answers several needs of somebody as one decision, as it would be made now.
func (g *Gateway) May(who identity.Identity, needs ...Need) access.Decision {
	l := &Live{g: g, who: who}
	return l.DecideAll(needs)
}

// Named finds what a target names, as the line does for an act of somebody's; with soon, as for
// one that freezes something: by what was known last of a server that does not answer.
func (g *Gateway) Named(ctx context.Context, who identity.Identity, target string, soon bool) (access.Object, error) {
	look := g.asked
	if soon {
		look = g.askedSoon(&Plan{})
	}
	return g.object(ctx, who.Person(), target, g.OwnerFor(who), look)
}

// Name names an object as people do, such as alice/work:1.2 ; the host has no name.
func Name(o access.Object) string {
	if o.Kind == access.Host {
		return ""
	}
	return objectName(o)
}

// ByID names an object as a target by its ids.
func ByID(o access.Object) string {
	if o.Kind <= access.Server {
		return o.Owner
	}
	target := tmux.SessionID(o.Session.ID).String()
	if o.Kind >= access.Window {
		target += ":" + tmux.WindowID(o.Window.ID).String()
	}
	if o.Kind == access.Pane {
		target += "." + tmux.PaneID(o.Pane.ID).String()
	}
	return tmux.JoinOwner(o.Owner, target)
}

// Refused words a refusal for somebody, with how they may ask others for it.
func (g *Gateway) Refused(who identity.Identity, n Need, d access.Decision) *Refused {
	return &Refused{Decision: d, Need: n, Ask: g.askFor(who, n, d)}
}

// RuleDefault is the rule of decisions that refuse because nothing permits: policy.Default.
const RuleDefault = "default"

// askFor is the command by which somebody may ask others for what was refused to them:
// who may view something may ask for more of it. What was taken from them, and what
// governs, is not offered.
func (g *Gateway) askFor(who identity.Identity, n Need, d access.Decision) string {
	if !hasCommands(who) || n.Whole || access.Governing.Has(n.Verb) || n.Verb == access.View ||
		d.Rule == RuleLockdown || d.Rule == ruleRevocation || d.Rule == RuleWatcher || !g.Holds(who, n.Object).Has(access.View) {
		return ""
	}
	if d.Rule == RuleLease {
		if n.Verb != access.Type || n.Object.Kind != access.Pane || !holderHand(who) {
			return ""
		}
		return "muxward lease ask -t " + quoted(tmux.Clean(objectName(n.Object)))
	}
	if n.Object.Kind == access.Host {
		return fmt.Sprintf("muxward request %s --host", n.Verb)
	}
	return fmt.Sprintf("muxward request %s -t %s", n.Verb, quoted(tmux.Clean(objectName(n.Object))))
}

// hasCommands reports whether somebody has muxward's own commands where they are: a process
// of this host has them, and who comes by ssh has not, whether by a key, a password or an
// sshd of the host, nor has a forced command.
func hasCommands(who identity.Identity) bool {
	_, local := who.UID()
	return (local || who.IsSupposed() && who.Door() != sshDoor) && !who.OnlyStreams()
}

// sshDoor is how identities name the ssh door.
const sshDoor = "ssh"

// quoted is a name as a shell reads it as one word.
func quoted(name string) string {
	if !strings.ContainsFunc(name, func(c rune) bool {
		return (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && !strings.ContainsRune("_-./@%+=:", c)
	}) {
		return name
	}
	return "'" + strings.ReplaceAll(name, "'", `'\''`) + "'"
}
