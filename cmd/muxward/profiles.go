package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"github.com/muxward/muxward/internal/access"
	"github.com/muxward/muxward/internal/config"
	"github.com/muxward/muxward/internal/gateway"
	"github.com/muxward/muxward/internal/guard"
	"github.com/muxward/muxward/internal/identity"
	"github.com/muxward/muxward/internal/keep"
	"github.com/muxward/muxward/internal/policy"
	"github.com/muxward/muxward/internal/server/ctld"
)

// This file is about session profiles. What runs in them is known to whoever has root's rights
// alone; here it is known who may start them, which is the policy's to decide.

// profileHands read root's file of profiles, and put in force what was read.
type profileHands interface {
	ReadProfiles(ctx context.Context) (keep.Offer, error)
	TakeProfiles(ctx context.Context, number uint64) error
}

// profiles are those in force.
type profiles struct {
	hands profileHands

	mu     sync.Mutex
	list   map[string]keep.Profile
	known  map[string]bool          // by their names, with those that have gone
	broken error                    // why the last reading was refused
	ending map[*guard.Server]string // and the profile whose it was
}

// profileTime is how long it may take to read them.
const profileTime = 10 * time.Second

// errNoRoot is the error of profiles where nothing runs as another account.
var errNoRoot = errors.New("profiles: their programs run as accounts of their own, which takes root's rights: " +
	"have muxward serve the host (muxward setup), or leave profiles out")

// firstProfiles puts profiles in force as muxward begins.
func (d *daemon) firstProfiles(ctx context.Context) error {
	if d.config.Profiles == "" {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, profileTime)
	defer cancel()
	offer, err := d.profiles.hands.ReadProfiles(ctx)
	if err == nil {
		err = d.policy.Offer(d.policyOf(offer.Profiles))
	}
	if err == nil {
		err = d.profiles.hands.TakeProfiles(ctx, offer.Number)
	}
	if err != nil {
		return fmt.Errorf("the profiles cannot be used, so nothing was started:\n%w", err)
	}
	d.profiles.set(offer.Profiles)
	return nil
}

func (p *profiles) set(list map[string]keep.Profile) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.list, p.broken = list, nil
	if p.known == nil {
		p.known = map[string]bool{}
	}
	for name := range list {
		p.known[name] = true
	}
}

func (p *profiles) now() map[string]keep.Profile {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.list
}

// wrong says why profiles are not as their file says.
func (p *profiles) wrong() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.broken
}

// policyOf is what the policy goes by.
func (d *daemon) policyOf(list map[string]keep.Profile) policy.Profiles {
	out := policy.Profiles{File: d.config.Profiles, List: map[string]policy.Profile{}}
	for name, p := range list {
		out.List[name] = policy.Profile{Account: p.Account, Who: p.Who, Role: p.Role, Shared: p.Shared, Line: p.Line}
	}
	return out
}

// rereadProfiles puts in force what the file says now. What cannot be used changes nothing,
// and that is said.
func (d *daemon) rereadProfiles(ctx context.Context) {
	if d.config.Profiles == "" {
		return
	}
	d.loading.Lock()
	defer d.loading.Unlock()
	ctx, cancel := context.WithTimeout(ctx, profileTime)
	defer cancel()
	offer, err := d.profiles.hands.ReadProfiles(ctx)
	if err == nil {
		err = d.policy.TryProfiles(d.policyOf(offer.Profiles))
	}
	was := d.profiles.now()
	if err == nil {
		err = d.changeProfiles(ctx, was, offer)
	}
	if err != nil {
		d.refuseProfiles(err)
		return
	}
	d.reloaded(ctx, fmt.Sprintf("the profiles were loaded, %d of them", len(offer.Profiles)))
	d.endProfiles(ctx, was, offer.Profiles)
}

// refuseProfiles tells of profiles that are not in force as their file says.
func (d *daemon) refuseProfiles(err error) {
	d.profiles.mu.Lock()
	d.profiles.broken = err
	d.profiles.mu.Unlock()
	d.event(access.EventReload, profilesBroken+": "+err.Error())
	fmt.Fprintf(os.Stderr, "muxward: the profiles were NOT loaded, what was read last stays in force:\n%v\n", err)
}

// loadBoth puts the policy in force together with the profiles of root's file as it is now: where somebody
// has gone from both, or one has gone and another come, neither is right without the other. It reports whether it
// did; what is wrong is told by who reads each alone. d.loading is held.
func (d *daemon) loadBoth(ctx context.Context) bool {
	if d.config.Profiles == "" || d.policy.Try(d.config.Policy) == nil {
		return false
	}
	ctx, cancel := context.WithTimeout(ctx, profileTime)
	defer cancel()
	was := d.profiles.now()
	offer, err := d.profiles.hands.ReadProfiles(ctx)
	if err == nil {
		err = d.policy.ReloadWith(d.config.Policy, d.policyOf(between(was, offer.Profiles)), d.policyOf(offer.Profiles))
	}
	if err != nil {
		return false
	}
	if err := d.takeProfiles(ctx, was, offer); err != nil {
		d.reloaded(ctx, "the policy was loaded")
		d.refuseProfiles(err)
		return true
	}
	d.reloaded(ctx, fmt.Sprintf("the policy was loaded, and with it the profiles, %d of them", len(offer.Profiles)))
	d.endProfiles(ctx, was, offer.Profiles)
	return true
}

// profilesBroken is said of profiles that are not in force as they are.
const profilesBroken = "the profiles are broken, what was read last stays in force"

// changeProfiles has others in force. In between, who has what changes is who has it both
// before and after: nobody is given by one what the other says to run.
func (d *daemon) changeProfiles(ctx context.Context, was map[string]keep.Profile, offer keep.Offer) error {
	if err := d.policy.Offer(d.policyOf(between(was, offer.Profiles))); err != nil {
		return err
	}
	return d.takeProfiles(ctx, was, offer)
}

// takeProfiles has profiles in force once nobody has anything by what changes who has it only before, or only
// after.
func (d *daemon) takeProfiles(ctx context.Context, was map[string]keep.Profile, offer keep.Offer) error {
	if rep := d.reconsider(ctx); len(rep.Unconfirmed) > 0 {
		d.unsure = true
	}
	if err := d.profiles.hands.TakeProfiles(ctx, offer.Number); err != nil {
		// With another policy they may not be right any more: then what is in both stays.
		return errors.Join(err, d.policy.Offer(d.policyOf(was)))
	}
	err := d.policy.Offer(d.policyOf(offer.Profiles)) // as it was tried: it changes only with d.loading
	d.profiles.set(offer.Profiles)
	return err
}

// between are the profiles that are in both, with the people who are in both.
func between(was, is map[string]keep.Profile) map[string]keep.Profile {
	out := map[string]keep.Profile{}
	for name, p := range is {
		before, ok := was[name]
		switch {
		case !ok || before.Account != p.Account || before.Shared != p.Shared:
			continue
		case before.Version == p.Version:
			out[name] = p
			continue
		}
		p.Who = slices.DeleteFunc(slices.Clone(p.Who), func(who string) bool { return !slices.Contains(before.Who, who) })
		if before.Role != p.Role {
			p.Role = config.DefaultRole
		}
		out[name] = p
	}
	return out
}

// endProfiles ends the servers of profiles that have gone, have another account, or whose sessions
// are others' now: nobody could reach what runs there. What has not ended by that is killed by who
// has its account's rights, until it has (keep/gone.go).
func (d *daemon) endProfiles(ctx context.Context, was, is map[string]keep.Profile) {
	for _, name := range slices.Sorted(maps.Keys(was)) {
		if now, ok := is[name]; ok && now.Account == was[name].Account && now.Shared == was[name].Shared {
			continue
		}
		s, ok := d.guard.Lookup(name)
		if !ok || s == nil {
			continue
		}
		d.profiles.ends(name, s)
		if err := s.End(ctx); err != nil {
			d.complain(fmt.Sprintf("the profile %s has gone or is another, and its sessions have not ended: %v; its tmux server is killed", name, err))
		}
	}
}

// ends notes that a profile's server is to end.
func (p *profiles) ends(name string, s *guard.Server) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.ending == nil {
		p.ending = map[*guard.Server]string{}
	}
	p.ending[s] = name
}

// notEnded lists, in words, the servers that were to end and have not.
func (p *profiles) notEnded() (list []string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	maps.DeleteFunc(p.ending, func(s *guard.Server, _ string) bool { return s.Cause() != nil })
	for s, name := range p.ending { // there may be several of one profile, if it has changed again
		list = append(list, fmt.Sprintf("the tmux server of a session profile that has gone or is another has not ended, and is ended again: %s, process %d", name, s.PID()))
	}
	slices.Sort(list)
	return list
}

// hostProfiles shows the profiles to the gateway.
type hostProfiles struct{ d *daemon }

// Names lists them.
func (h hostProfiles) Names() []string { return slices.Sorted(maps.Keys(h.d.profiles.now())) }

// Session gives how a person's session of a profile is called.
func (h hostProfiles) Session(name, person string) (session string, shell, ok bool) {
	p, ok := h.d.profiles.now()[name]
	return config.SessionOf(person, p.Shared), p.Shell, ok
}

// Gone reports whether there was a profile of that name.
func (h hostProfiles) Gone(name string) bool {
	h.d.profiles.mu.Lock()
	defer h.d.profiles.mu.Unlock()
	return h.d.profiles.known[name]
}

// startTries is how often a profile's server is started, if one ends just then: it does with
// its last session.
const startTries = 3

// Start has a session of a profile run.
func (h hostProfiles) Start(ctx context.Context, name, session string) error {
	ctx, cancel := context.WithTimeout(ctx, isolatedTime)
	defer cancel()
	p, ok := h.d.profiles.now()[name]
	if !ok {
		return fmt.Errorf("can't find session: %s", name)
	}
	account, err := h.d.accounts.Local(ctx, p.Account)
	if err != nil {
		return err
	}
	for range startTries {
		if err = h.d.startProfile(ctx, name, session, account); err == nil || ctx.Err() != nil {
			break
		}
	}
	if err != nil {
		h.d.complain(fmt.Sprintf("the profile %s was not started: %v", name, err))
		return fmt.Errorf("the profile %s cannot be started now; muxward's log says why", name)
	}
	return nil
}

func (d *daemon) startProfile(ctx context.Context, name, session string, account identity.Account) error {
	s, err := d.guard.StartIsolated(ctx, name, account)
	if err != nil {
		return err
	}
	if err = s.Session(ctx, session, identity.Account{}); err != nil {
		s.Settle(ctx) // it may be on its way out: the next try is for the one after it
	}
	return err
}

// offered is a profile as it is told to who may start it.
type offered struct {
	Name    string `json:"name"`
	Session string `json:"session"`
	Shared  bool   `json:"shared"`
	// Runs is nil where its server does not answer.
	Runs  *bool  `json:"runs"`
	About string `json:"about,omitempty"`
}

// offeredTo are the profiles that somebody may start.
func (d *daemon) offeredTo(ctx context.Context, who identity.Identity) []offered {
	out := []offered{}
	list := d.profiles.now()
	for _, o := range d.gateway.Offered(ctx, who) {
		one := offered{Name: o.Name, Session: o.Name + "/" + o.Session, Shared: list[o.Name].Shared, About: list[o.Name].About}
		if runs := o.Runs == gateway.IsRunning; o.Runs != gateway.MayRun {
			one.Runs = &runs
		}
		out = append(out, one)
	}
	return out
}

func newProfilesCmd() *cobra.Command {
	var f daemonFlags
	cmd := &cobra.Command{
		Use:   "profiles",
		Short: "list the session profiles that you may start",
		Long: `List the session profiles that you may start: named sessions of this host, whose
program, account and secrets are its administrator's. By its name you get to your session
of it, at any door, and it is started if it does not run. Where it is shared there is one
for all of you.`,
		Example: `  muxward profiles
  tmux new -t prod-psql
  ssh prod-psql@host
  muxward profiles --json | jq -r '.[].name'`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			var list []offered
			if err := f.call(cmd.Context(), ctld.Call{Act: "profiles"}, &list); err != nil {
				return err
			}
			if f.json {
				return printJSON(cmd, list)
			}
			rows := [][]string{{"PROFILE", "SESSION", "SHARED", "RUNS", "ABOUT"}}
			for _, o := range list {
				runs := "unknown"
				if o.Runs != nil {
					runs = yesNo(*o.Runs)
				}
				rows = append(rows, []string{o.Name, o.Session, yesNo(o.Shared), runs, o.About})
			}
			return printTable(cmd.OutOrStdout(), rows)
		},
	}
	f.add(cmd)
	return cmd
}

func yesNo(yes bool) string {
	if yes {
		return "yes"
	}
	return "no"
}
