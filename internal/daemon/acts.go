package daemon

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"slices"
	"strings"

	"github.com/muxward/muxward/internal/access"
	"github.com/muxward/muxward/internal/acts"
	"github.com/muxward/muxward/internal/gateway"
	"github.com/muxward/muxward/internal/grants"
	"github.com/muxward/muxward/internal/identity"
	"github.com/muxward/muxward/internal/server/ctld"
	"github.com/muxward/muxward/internal/server/sshd"
	"github.com/muxward/muxward/internal/tmux"
)

// act makes the act of a call of muxward's own commands.
func (d *daemon) act(who identity.Identity, c ctld.Call) (*gateway.Act, error) {
	if who.OnlyStreams() && c.Act != "attach" && c.Act != "lobby" {
		return nil, fmt.Errorf("whoever comes by a forced command has the tmux client, and no muxward %s", tmux.Clean(c.Act))
	}
	if err := fitReason(c.Reason); err != nil {
		return nil, err
	}
	switch c.Act {
	case "who-next":
		return d.whoNextAct(who, c.Seen), nil
	case "revoke", "kick", "lockdown", "unlock", "grant", "take-back":
		if d.config.AnswerKey && insideHome(who) && !gateway.OwnHand(who) {
			return d.confirmAct(who, c)
		}
		return d.governs(who, c)
	case "left-behind":
		return d.leftBehindAct(who, c)
	case "risks":
		return d.risksAct(who, c)
	case "share":
		return d.given.ShareAct(who, c)
	case "join":
		return d.given.JoinAct(who, c.Code)
	case "invite-revoke":
		return d.given.RevokeInviteAct(who, c)
	case "request":
		return d.requests.RequestAct(who, c)
	case "withdraw":
		return d.requests.WithdrawAct(who, c)
	case "approve", "deny":
		return d.requests.AnswerAct(who, c)
	case "suggest":
		return d.keyboards.SuggestAct(who, c)
	case "unsuggest":
		return d.keyboards.UnsuggestAct(who, c)
	case "lease-on", "lease-off", "lease-ask", "lease-hand", "lease-take", "lease-free", "lease-keep":
		return d.keyboards.LeaseAct(who, c)
	case "explain", "explain-ssh":
		return d.explainAct(who, c)
	case "attach":
		return d.attachAct(who, c)
	case "mended":
		return mendedAct(who, c)
	case "keys": // the door itself answers it where it may be asked
		return nil, errors.New("tickets are given to nobody: muxward's configuration has no ssh: keys_user and keys_accounts")
	}
	return d.telling(who, c)
}

// telling makes the acts that only tell: what they tell of others is found out for the
// asker, who needs no right to ask.
func (d *daemon) telling(who identity.Identity, c ctld.Call) (*gateway.Act, error) {
	a := &gateway.Act{Name: c.Act, Open: true}
	var tell func(ctx context.Context) (any, error)
	switch c.Act {
	case "status":
		a.Unwritten = true
		tell = func(context.Context) (any, error) {
			s := d.statusFor(who)
			for _, den := range d.lockdowns(who) {
				s.Locked = append(s.Locked, den.Where()+": "+den.String())
			}
			return s, nil
		}
	case "who":
		tell = func(context.Context) (any, error) { return d.visiblePeople(who), nil }
	case "ls":
		tell = func(ctx context.Context) (any, error) { return d.visibleSessions(ctx, who) }
	case "revocations":
		a.Open, a.Verb, a.Target = false, access.Kick, c.Target
		tell = func(context.Context) (any, error) { return d.kickable(who), nil }
	case "lockdowns":
		a.Unwritten = true // whoever is to unlock looks here, also where the disk is full
		tell = func(context.Context) (any, error) { return d.lockdowns(who), nil }
	case "grants":
		tell = func(context.Context) (any, error) { return d.given.VisibleGrants(who, c.Person, c.Target) }
	case "invites":
		tell = func(context.Context) (any, error) { return d.given.VisibleInvites(who) }
	case "approvals":
		tell = func(context.Context) (any, error) { return d.requests.Visible(who), nil }
	case "leases":
		tell = func(context.Context) (any, error) { return d.keyboards.VisibleLeases(who), nil }
	case "suggestions":
		tell = func(context.Context) (any, error) { return d.keyboards.VisibleSuggestions(who), nil }
	case "profiles":
		tell = func(ctx context.Context) (any, error) { return d.offeredTo(ctx, who), nil }
	case "lobby":
		tell = func(ctx context.Context) (any, error) {
			text, targets, err := sshd.Lobby(ctx, d.gateway, who)
			return acts.Lobby{Text: text, Targets: targets}, err
		}
	default:
		return nil, fmt.Errorf("muxward does not know %q; the two versions may differ: restart muxward serve", c.Act)
	}
	a.Do = func(ctx context.Context, _ access.Object) (gateway.Result, error) { return d.told(ctx, who, tell) }
	return a, nil
}

// told finds out what somebody is told. It is written to them as long as they were not decided anew
// since: what was taken from them by then is in it still.
func (d *daemon) told(ctx context.Context, who identity.Identity, tell func(context.Context) (any, error)) (gateway.Result, error) {
	gate, release := d.gateway.Telling(ctx, who)
	kept := false
	defer func() {
		if !kept {
			release()
		}
	}()
	value, err := tell(ctx)
	if err != nil {
		return gateway.Result{Value: value}, err
	}
	kept = true
	return gateway.Result{Value: value, Gate: gate, Release: release}, nil
}

// kickable lists the revocations that the asker could have given, and those
// that are about them: nobody learns from the list what others have.
func (d *daemon) kickable(who identity.Identity) []acts.ShownDenial {
	out := []acts.ShownDenial{}
	for _, den := range d.denials.List() {
		if !den.Lock && (den.Person == who.Person() || d.holds(who, den.Scope).Has(access.Kick)) {
			out = append(out, acts.DenialOf(den))
		}
	}
	return out
}

// fitReason refuses what is no reason to be shown to people. It goes into the log,
// into lists and onto the terminals of others.
func fitReason(s string) error {
	if len(s) > grants.MaxReason {
		return fmt.Errorf("the reason has %d bytes; use at most %d", len(s), grants.MaxReason)
	}
	if tmux.OneLine(s) != s {
		return errors.New("the reason has characters that are no text; write it in one line")
	}
	return nil
}

// holds gives what a person holds on an object for what they are told: nothing
// where it was revoked from them.
func (d *daemon) holds(who identity.Identity, o access.Object) access.VerbSet {
	return d.gateway.Holds(who, o)
}

// statusFor is the status as the asker may know it. How many servers and
// people there are, and what the policy files say, is for those who keep the
// host: ourselves, root, and who may read the log of all of it.
func (d *daemon) statusFor(who identity.Identity) acts.Status {
	s := d.status()
	uid, ok := who.UID()
	if ok && keepsHost(uid) || d.holds(who, access.Object{}).Has(access.Audit) {
		return s
	}
	s.Sandbox, s.PAM, s.Left = nil, nil, nil
	s.State, s.Policy, s.Digest, s.Generation, s.Servers, s.Attached, s.Goroutines = "", "", "", 0, 0, 0, 0
	for i, r := range s.Red {
		s.Red[i], _, _ = strings.Cut(r, ":")
	}
	return s
}

// left says what tmux servers are left from before, or stand in the way.
func (d *daemon) left() []string {
	list := append(d.profiles.notEnded(), d.notTheirs()...)
	list = append(list, d.shutDoors()...)
	for _, why := range d.guard.Left() {
		list = append(list, "a tmux server that an earlier muxward has left is not adopted, and tried again: "+why)
	}
	return list
}

func (d *daemon) status() acts.Status {
	s := acts.Status{
		Version: d.version, PID: os.Getpid(), Since: d.since, Mode: "user",
		Doors: d.config.Doors, State: d.config.State, Policy: d.config.Policy,
		Generation: d.policy.Generation(), Digest: d.policy.Digest(), Servers: len(d.guard.Servers()), Attached: len(d.gateway.Who()),
		Goroutines: runtime.NumGoroutine(), Sandbox: d.promises(),
	}
	for _, server := range d.guard.Servers() {
		if server.Isolated() {
			if s.PAM == nil {
				s.PAM = map[string]string{}
			}
			s.PAM[server.Owner()] = server.PAM()
		}
	}
	if d.config.Root() {
		s.Mode = "root"
	}
	if d.config.Separated {
		s.Mode = "separated"
	}
	if err := d.policy.Broken(); err != nil {
		s.Red = append(s.Red, "the policy files are broken, the last good policy is in force: "+err.Error())
	}
	if err := d.given.Wrong(); err != nil {
		s.Red = append(s.Red, "grants: "+err.Error())
	}
	if err := d.profiles.wrong(); err != nil {
		s.Red = append(s.Red, profilesBroken+": "+err.Error())
	}
	s.Left = d.left()
	if err := d.ssh.wrong(); err != nil {
		s.Red = append(s.Red, sshBroken+": "+err.Error())
	}
	if err := d.hook.Wrong(); err != nil {
		s.Red = append(s.Red, "webhook: "+err.Error())
	}
	if h := d.log.Health(); !h.OK {
		s.Red = append(s.Red, "the log cannot be written, so nothing new is done: "+h.Reason)
	} else if h.Slow {
		s.Red = append(s.Red, "the log's disk is slow: "+h.Reason)
	}
	if err := d.keeper.Err(); err != nil {
		s.Red = append(s.Red, "terminals would not be put right if muxward were killed: "+err.Error())
	}
	s.Notes = []string{
		"root, and the account a tmux server runs as, can reach that server without muxward",
		"while muxward is not running, the doors' directories (mode 0500) keep tmux from starting servers there; " +
			"root, or their owner after a chmod, can still do it",
	}
	return s
}

// visiblePeople are the attached people on whatever the asker holds a verb
// on, and the asker; and what is open besides tmux.
func (d *daemon) visiblePeople(who identity.Identity) []gateway.Attached {
	out := append(d.gateway.WhoFor(who), d.gateway.UsesFor(who)...)
	slices.SortFunc(out, func(a, b gateway.Attached) int { return a.Since.Compare(b.Since) })
	return out
}

// visibleSessions are the sessions of which the asker may know, with what
// they may do there.
func (d *daemon) visibleSessions(ctx context.Context, who identity.Identity) ([]acts.Listed, error) {
	places, err := d.gateway.Visible(ctx, who)
	if err != nil {
		return nil, err
	}
	out := []acts.Listed{}
	for _, p := range places {
		for _, s := range p.Visible.Sessions {
			name := s.Name
			if p.Owner != who.Person() {
				name = tmux.JoinOwner(p.Owner, s.Name)
			}
			o := access.Object{
				Kind: access.Session, Owner: p.Owner, Incarnation: p.Incarnation,
				Session: access.SessionRef{ID: uint32(s.ID), Name: s.Name},
			}
			l := acts.Listed{Name: tmux.Clean(name), ID: s.ID.String(), Windows: len(s.Links), Verbs: []string{}}
			if den, hit := d.denials.Locked(o); hit {
				l.Locked = den.String()
			}
			l.Verbs = append(l.Verbs, d.holds(who, o).Names()...)
			for _, a := range d.gateway.Who() {
				if a.Owner == p.Owner && a.Session == l.ID {
					l.People++
				}
			}
			out = append(out, l)
		}
	}
	return out, nil
}
