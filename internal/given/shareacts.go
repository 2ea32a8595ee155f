package given

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/muxward/muxward/internal/access"
	"github.com/muxward/muxward/internal/acts"
	"github.com/muxward/muxward/internal/gateway"
	"github.com/muxward/muxward/internal/grants"
	"github.com/muxward/muxward/internal/identity"
	"github.com/muxward/muxward/internal/server/ctld"
	"github.com/muxward/muxward/internal/settle"
	"github.com/muxward/muxward/internal/tmux"
)

func shownOf(v grants.Invite) acts.ShownInvite {
	s := acts.ShownInvite{
		ID: v.ID, What: v.What, Target: v.Target, Until: v.Until, By: v.Giver.Person,
		Uses: v.Uses, Used: v.Used, Bind: v.Bind, Approve: v.Approve, Reason: acts.ShortReason(v.Reason),
	}
	if s.Used == nil {
		s.Used = []grants.Use{}
	}
	return s
}

// ShareAct makes an invite. Who makes it has to hold what it gives, as with a grant.
func (b *Book) ShareAct(who identity.Identity, c ctld.Call) (*gateway.Act, error) {
	g, err := b.Asked(who, c)
	var on string
	if err == nil {
		g.Target, on, err = b.sharedTarget(who, c)
	}
	if err != nil {
		return nil, err
	}
	if c.Bind && !b.BySSH() {
		return nil, errors.New("--bind is for who comes by ssh, and the ssh door is closed; leave it out, or open the door with: muxward serve --ssh :2222")
	}
	v := grants.Invite{Grant: g, Uses: c.Uses, Bind: c.Bind, Approve: c.Approve}
	a := &gateway.Act{
		Name: "share", Args: []string{g.What, "-t", g.Target, "--uses", strconv.Itoa(v.Uses)}, Target: on,
		Verb: access.Share, Whole: g.Verbs.With(access.SetOf(access.Share)),
	}
	if !g.Until.IsZero() {
		a.Args = append(a.Args, "--until", g.Until.Format(time.RFC3339))
	}
	if v.Bind {
		a.Args = append(a.Args, "--bind")
	}
	if v.Approve {
		a.Args = append(a.Args, "--approve")
	}
	a.Args = acts.WithReason(a.Args, g.Reason)
	a.Do = func(ctx context.Context, o access.Object) (gateway.Result, error) {
		v.On = o
		v.On.Links = nil // as of what is granted, the way that was asked for is kept
		if err := b.granting.Take(ctx, grantTurn, errGranting); err != nil {
			return gateway.Result{}, fmt.Errorf("nobody was invited: %w", err)
		}
		defer b.granting.Leave()
		made, code, err := b.store.Invite(ctx, v, b.now(), func(v grants.Invite) error {
			return b.recordInvite(ctx, v, "made")
		})
		return gateway.Result{Value: acts.Shared{ShownInvite: shownOf(made), Code: code.Text()}}, err
	}
	return a, nil
}

// sharedTarget is what is shared: what is named, a pane of it, or the only session of
// who shares. It is shown by its name; a name that looks like another target's is looked
// for by its id.
func (b *Book) sharedTarget(who identity.Identity, c ctld.Call) (name, on string, err error) {
	if c.Pane != "" {
		if _, err := tmux.ParsePaneID(c.Pane); err != nil {
			return "", "", fmt.Errorf("--pane: %q is no pane's id; write it as %%3", c.Pane)
		}
		owner, inside, _ := strings.Cut(acts.FullTarget(b.Gateway, who, c.Target), "/")
		if inside != "" {
			return "", "", errors.New("--pane names a pane wherever it is; name at most its owner with -t")
		}
		name = tmux.JoinOwner(cmp.Or(owner, who.Person()), c.Pane)
		return name, name, nil
	}
	if c.Target != "" {
		name = acts.FullTarget(b.Gateway, who, c.Target)
		return name, name, nil
	}
	s := b.Servers.Server(who.Person())
	if s == nil {
		return "", "", errors.New("you have no session; name what you share with -t")
	}
	ctx, cancel := context.WithTimeout(b.Ctx, lookTime)
	defer cancel()
	snap, err := s.Snapshot(ctx, tmux.Core)
	if err != nil {
		return "", "", fmt.Errorf("look for your session: %w", err)
	}
	if len(snap.Sessions) != 1 {
		return "", "", fmt.Errorf("you have %d sessions; name what you share with -t", len(snap.Sessions))
	}
	only := &snap.Sessions[0]
	return tmux.JoinOwner(who.Person(), only.Name), tmux.JoinOwner(who.Person(), only.ID.String()), nil
}

// lookTime is how long whoever shares waits for their own server to say what there is.
const lookTime = 2 * time.Second

// JoinAct has somebody come by an invite. Who may is said by the code, and so by
// [gateway.Act.Admits]; the secret in it goes into no log.
func (b *Book) JoinAct(who identity.Identity, text string) (*gateway.Act, error) {
	if b.store == nil {
		return nil, errNoGrants
	}
	code, err := grants.ParseCode(text)
	if err != nil {
		return nil, err
	}
	return &gateway.Act{
		Name: "join", Args: []string{code.String()}, Open: true,
		Admits: func() error {
			_, err := b.opens(who, code)
			return err
		},
		Do: func(ctx context.Context, _ access.Object) (gateway.Result, error) {
			if v, err := b.store.Opens(code, b.now()); err == nil && v.Knocks(who.Person()) {
				k, err := b.Knock(ctx, who, v)
				return gateway.Result{Value: k}, err
			}
			g, err := b.join(ctx, who, code)
			return gateway.Result{Value: acts.GrantOf(g, err == nil && b.counting()(g))}, err
		},
	}, nil
}

// opens gives the invite that a code opens for somebody. Wrong codes are counted by who
// tries them; what others type into a pane of theirs is counted beside.
func (b *Book) opens(who identity.Identity, code grants.Code) (v grants.Invite, err error) {
	tries := who.Person()
	if who.Inside() != "" {
		tries += " inside"
	}
	err = b.tries.Try(tries, time.Now(), func() error {
		v, err = b.store.Opens(code, b.now())
		return err
	})
	if err != nil {
		return v, err
	}
	return v, b.mayJoin(who, v)
}

// mayJoin says why somebody does not come by an invite whose code they have: what it
// gives is not there, not its giver's any more, or taken from them.
func (b *Book) mayJoin(who identity.Identity, v grants.Invite) error {
	g := v.Grant
	g.Who = who.Person()
	verbs := v.Verbs.With(access.SetOf(access.Share))
	switch den, locked := b.Locked(v.On); {
	case b.isTaken(v.ID), !b.reaches(g), b.Strangers(who) != nil:
		return grants.ErrNotOpen
	case !b.Policy.Set().IsPerson(who.Person()):
		return fmt.Errorf("the policy names no person %q, and nothing is given to others: ask who looks after it to put you into people.yaml", who.Person())
	case locked:
		return errors.New(den.String())
	case b.gaveAway(v.Giver), b.Revoked(v.Giver.Person, v.On), !b.Policy.Covers(v.Giver, verbs, v.On, b.Gateway.Time()).Allow:
		return grants.ErrNotOpen
	case v.Giver.Person == who.Person():
		return errors.New("this is your own invite: hand the code to somebody else")
	}
	return nil
}

// gaveAway reports whether who gave something did so by an account that is another's by now.
func (b *Book) gaveAway(by identity.Subject) bool {
	away := b.Away()
	return away != nil && away(by)
}

func (b *Book) isTaken(id int64) bool {
	b.moving.Lock()
	defer b.moving.Unlock()
	return b.taken[id]
}

// join gives what an invite gives to who comes by it. Who has it already has nothing
// weighed anew: that would be work for everybody, each time.
func (b *Book) join(ctx context.Context, who identity.Identity, code grants.Code) (grants.Grant, error) {
	g, isNew, err := b.keepJoined(ctx, who, code)
	if err != nil {
		return g, err
	}
	if isNew {
		b.InForce(ctx, g)
	}
	if _, still := b.Find(g.ID); !still { // the invite was revoked while it was written
		return g, grants.ErrNotOpen
	}
	return g, nil
}

// keepJoined keeps a use of an invite, and says whether what it gives is new. Whether they
// may come is asked again when others have done: a lockdown may have come meanwhile.
func (b *Book) keepJoined(ctx context.Context, who identity.Identity, code grants.Code) (grants.Grant, bool, error) {
	if err := b.granting.Take(ctx, grantTurn, errGranting); err != nil {
		return grants.Grant{}, false, fmt.Errorf("nothing was given: %w", err)
	}
	defer b.granting.Leave()
	v, err := b.store.Opens(code, b.now())
	if err == nil {
		err = b.mayJoin(who, v)
	}
	if err != nil {
		return grants.Grant{}, false, err
	}
	return b.store.Join(ctx, code, grants.Joiner{Person: who.Person(), Key: who.Subject().Key}, b.now(), b.recordsGiven(ctx))
}

// recordsGiven gives what records that something is given.
func (b *Book) recordsGiven(ctx context.Context) func(grants.Grant) error {
	return func(g grants.Grant) error { return b.recordGrant(ctx, g, "given") }
}

// recordInvite writes what became of an invite.
func (b *Book) recordInvite(ctx context.Context, v grants.Invite, what string) error {
	by := v.Giver.Person
	if v.State != grants.Given {
		by = v.EndedBy
		if what == "made" { // it was to be
			what = "was not made"
		}
	}
	note := fmt.Sprintf("invite %d %s: %s on %s for %d, by %s until %s", v.ID, what, v.What, acts.TargetName(v.Target), v.Uses,
		v.Giver.Person, v.Until.Format(time.RFC3339))
	if v.Bind {
		note += ", bound to keys"
	}
	if v.Approve {
		note += ", for who is let in"
	}
	return b.writeGrant(ctx, v.Grant, by, note)
}

// VisibleInvites lists those that the asker made, or could revoke.
func (b *Book) VisibleInvites(who identity.Identity) ([]acts.ShownInvite, error) {
	out := []acts.ShownInvite{}
	if b.store == nil {
		return out, errNoGrants
	}
	for _, v := range b.store.Invites() {
		if b.concernedByInvite(who, v) && !b.isTaken(v.ID) {
			out = append(out, shownOf(v))
		}
	}
	return out, nil
}

func (b *Book) concernedByInvite(who identity.Identity, v grants.Invite) bool {
	return v.Giver.Person == who.Person() || b.Gateway.Holds(who, v.On).Has(access.Kick)
}

// RevokeInviteAct ends an invite, and takes back what came by it, by the rights that
// it takes to take back a grant.
func (b *Book) RevokeInviteAct(who identity.Identity, c ctld.Call) (*gateway.Act, error) {
	if b.store == nil {
		return nil, errNoGrants
	}
	a := &gateway.Act{Name: "invite-revoke", Args: acts.WithReason([]string{strconv.FormatInt(c.ID, 10)}, c.Reason), Verb: access.Kick}
	v, ok := b.store.FindInvite(c.ID)
	if !ok || !b.concernedByInvite(who, v) {
		a.Open = true // as of a grant that they may not know of
		a.Do = func(context.Context, access.Object) (gateway.Result, error) {
			return gateway.Result{}, errNoInvite(c.ID)
		}
		return a, nil
	}
	a.On = []access.Object{v.On}
	if v.Giver.Person == who.Person() && !b.Gateway.Holds(who, v.On).Has(access.Kick) {
		a.Verb = access.Share
	}
	a.Do = func(ctx context.Context, _ access.Object) (gateway.Result, error) {
		return b.revokeInvite(ctx, v, who.Person(), c.Reason)
	}
	return a, nil
}

func errNoInvite(id int64) error {
	return fmt.Errorf("there is no invite %d; see: muxward invites", id)
}

// revokeInvite ends an invite and returns when what came by it has ended, what is under
// way just then, too. As with a grant it counts no more before anybody waits for
// anything.
func (b *Book) revokeInvite(ctx context.Context, v grants.Invite, by, why string) (gateway.Result, error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), settle.Time)
	defer cancel()
	if !b.drop(v.ID, b.isInvite) {
		return gateway.Result{}, errNoInvite(v.ID)
	}
	whose := b.restingOnInvite(v.ID)
	out, rep, err := dropped(ctx, b, acts.ClosedInvite{Invite: shownOf(v)}, func() (w acts.ClosedInvite, err error) {
		var taken []grants.Grant
		w.Taken = []acts.ShownGrant{}
		w.Invite, taken, err = b.writeRevoked(v, by, why)
		for _, g := range taken {
			w.Taken = append(w.Taken, acts.GrantOf(g, false))
		}
		return w, err
	}, func() gateway.Report { return b.Gateway.ReconsiderThose(ctx, whose, "an invite was revoked") },
		fmt.Sprintf("invite %d is revoked", v.ID))
	out.Report = rep
	return gateway.Result{Value: out}, err
}

// restingOnInvite reports of whom what they hold may rest on what came by an invite.
func (b *Book) restingOnInvite(id int64) func(person string) bool {
	var those []func(string) bool
	for _, g := range b.store.List() {
		if g.Invite == id {
			those = append(those, b.RestingOn(g.Who))
		}
	}
	return anyOf(those)
}

// writeRevoked writes and records what holds already.
func (b *Book) writeRevoked(v grants.Invite, by, why string) (acts.ShownInvite, []grants.Grant, error) {
	var ended grants.Invite
	var taken []grants.Grant
	var err error
	b.writeDropped(v.ID, b.isInvite, func() { ended, taken, err = b.store.RevokeInvite(context.Background(), v.ID, by, why, b.now()) })
	if ended.ID == 0 { // its time was over meanwhile
		ended = v
	}
	err = errors.Join(err, b.recordInvite(context.Background(), ended, "revoked"))
	for _, g := range taken {
		err = errors.Join(err, b.recordGrant(context.Background(), g, "taken back"))
	}
	return shownOf(ended), taken, err
}

// tellInvites records what opening the store has ended of invites.
func (b *Book) tellInvites(ctx context.Context) {
	for _, v := range b.store.InvitesAtStart() {
		if err := b.recordInvite(ctx, v, "has ended"); err != nil {
			fmt.Fprintf(os.Stderr, "muxward: invite %d has ended (not recorded: %v)\n", v.ID, err)
		}
	}
}

// expireInvites ends invites whose time is over. What came by them has limits of its
// own.
func (b *Book) expireInvites(now grants.Clock) error {
	over, err := b.store.ExpireInvites(b.Ctx, now)
	for _, v := range over {
		if rerr := b.recordInvite(b.Ctx, v, "is over"); rerr != nil {
			fmt.Fprintf(os.Stderr, "muxward: invite %d is over (not recorded: %v)\n", v.ID, rerr)
		}
	}
	return err
}
