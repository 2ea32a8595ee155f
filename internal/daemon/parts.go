package daemon

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/muxward/muxward/internal/access"
	"github.com/muxward/muxward/internal/accounts"
	"github.com/muxward/muxward/internal/activation"
	"github.com/muxward/muxward/internal/attach/keeper"
	"github.com/muxward/muxward/internal/audit"
	"github.com/muxward/muxward/internal/config"
	"github.com/muxward/muxward/internal/executor"
	"github.com/muxward/muxward/internal/failpoint"
	"github.com/muxward/muxward/internal/gateway"
	"github.com/muxward/muxward/internal/given"
	"github.com/muxward/muxward/internal/grants"
	"github.com/muxward/muxward/internal/guard"
	"github.com/muxward/muxward/internal/identity"
	"github.com/muxward/muxward/internal/keyboard"
	"github.com/muxward/muxward/internal/nss"
	"github.com/muxward/muxward/internal/pace"
	"github.com/muxward/muxward/internal/policy"
	"github.com/muxward/muxward/internal/privsep"
	"github.com/muxward/muxward/internal/requests"
	"github.com/muxward/muxward/internal/server/crowd"
	"github.com/muxward/muxward/internal/server/ctld"
	"github.com/muxward/muxward/internal/server/sshd"
	"github.com/muxward/muxward/internal/server/tmuxd"
	"github.com/muxward/muxward/internal/webhook"
)

// daemon is muxward with all its parts. This is the only place where they
// meet.
type daemon struct {
	version  string
	config   config.Config
	helper   *privsep.Client     // nil if there is none
	sockets  []activation.Socket // that were passed for the ssh door
	landlock int                 // its version, beside a helper
	// wroteBefore is whether files could be written elsewhere before that was given up.
	wroteBefore bool
	logKey      *audit.HeldKey // nil if it is in a file of ours
	hostKey     *sshd.HostKey  // likewise
	log         *audit.Log
	policy      *policy.Engine
	denials     *grants.Denials
	given       *given.Book
	requests    *requests.Requests
	keyboards   *keyboard.Keyboards
	explains    sshd.Explainer
	draining    atomic.Bool // muxward ends
	guard       *guard.Guard
	hands       guard.Hands
	accounts    *identity.Accounts
	files       *identity.Accounts // those that files have, whatever is asked about others
	directory   *nss.Switch        // nil if none is asked, or muxward-helper asks
	gateway     *gateway.Gateway
	descriptors crowd.Room // for all doors
	executor    *executor.Executor
	tmuxDoor    *tmuxd.Server
	ctlDoor     *ctld.Server
	ctl         *ctlListener
	keeper      *keeper.Keeper
	hook        *webhook.Hook // nil if nobody is told
	ssh         *sshDoor      // nil if it is closed
	presence    presence
	profiles    profiles
	tickets     *identity.Tickets
	tmux        string    // the program
	asking      pace.Pace // who asks others for something
	lookers     *lookers  // for what somebody has left

	confirms confirmations // what was asked for from inside panes

	failed chan error // what ends the daemon
	stop   context.CancelFunc
	ctx    context.Context // of everything that serves people
	wg     sync.WaitGroup
	since  time.Time

	// loading is held while the policy is looked at and put in force; unsure is whether
	// something was not confirmed then.
	loading sync.Mutex
	unsure  bool

	mu    sync.Mutex
	doors map[uint32]bool // accounts whose door is open
	// shut is why doors could not be opened that are tried again.
	shut map[uint32]string
	// accountless is why the accounts could not be read the last time.
	accountless string
	unfound     unfound
	away        givenAway
}

// assemble makes all parts and starts none. What it made is closed again if
// one of them cannot be made.
func assemble(ctx context.Context, version string, c config.Config, helper *privsep.Client, sockets []activation.Socket) (d *daemon, err error) {
	d = &daemon{version: version, config: c, helper: helper, sockets: sockets, failed: make(chan error, 1), doors: map[uint32]bool{}, shut: map[uint32]string{}, since: time.Now(),
		lookers: newLookers()}
	d.ctx, d.stop = context.WithCancel(context.WithoutCancel(ctx))
	defer func() {
		if err != nil {
			d.close()
			d = nil
		}
	}()
	if err := os.MkdirAll(c.State, 0o711); err != nil {
		return d, fmt.Errorf("make the state directory: %w; name another with --state", err)
	}
	if err := d.ownState(); err != nil {
		return d, err
	}
	if err := d.unserved(); err != nil {
		return d, err
	}
	if c.Profiles != "" && !c.Root() {
		return d, errNoRoot
	}
	// The policy first: with a broken one nothing is opened at all.
	load := policy.NewEngine
	if helper != nil {
		load = policy.NewSystemEngine // root's helper gives shells by what it says
	}
	if d.policy, err = load(c.Policy); err != nil {
		return d, fmt.Errorf("the policy in %s cannot be used, so nothing was started:\n%w", c.Policy, err)
	}
	if err := d.nobodysAccount(); err != nil {
		return d, err
	}
	if err := d.policy.Isolate(isolatedAccounts(c)); err != nil {
		return d, fmt.Errorf("the policy in %s cannot be used with this configuration, so nothing was started:\n%w", c.Policy, err)
	}
	if d.hook, err = d.openHook(); err != nil {
		return d, err
	}
	if err := d.openKeys(ctx); err != nil {
		return d, err
	}
	if d.log, err = audit.Open(ctx, audit.Options{Dir: filepath.Join(c.State, "audit"), Now: failpoint.Now, Key: d.logKey}); err != nil {
		return d, err
	}
	if err := d.openDenials(); err != nil {
		return d, err
	}
	leases, err := grants.OpenLeases(filepath.Join(c.State, "leases.json"))
	if err != nil {
		return d, err
	}
	leases.Unsure()
	d.openGrants(ctx)
	if err := d.assembleGuard(); err != nil {
		return d, err
	}
	if err := d.firstProfiles(ctx); err != nil {
		return d, err
	}
	d.assembleLine(leases)
	d.given.Move()
	d.given.TellStart(ctx)
	if d.keeper, err = startKeeper(d.ctx); err != nil {
		return d, err
	}
	if d.ctl, err = d.openCtl(); err != nil {
		return d, err
	}
	d.ssh, err = d.openSSH(ctx)
	return d, err
}

func (d *daemon) assembleGuard() error {
	tmuxPath := d.config.Tmux
	if tmuxPath == "" {
		tmuxPath = "tmux"
	}
	tmuxPath, err := exec.LookPath(tmuxPath)
	if err != nil {
		return fmt.Errorf("%w; install tmux 3.2a or newer, or name it with --tmux", err)
	}
	if tmuxPath, err = filepath.Abs(tmuxPath); err != nil {
		return err
	}
	d.tmux = tmuxPath
	if err := d.openAccounts(); err != nil {
		return err
	}
	hands, err := d.openHands(tmuxPath)
	if err != nil {
		return err
	}
	d.hands = hands
	d.guard = guard.New(guard.Options{
		Hands: hands, Notify: d.notice, OnServer: d.serveInner, OurClient: d.ourClient, Now: failpoint.Now,
	})
	return nil
}

// openAccounts has accounts be known from the files and, where the configuration says so, from a directory.
func (d *daemon) openAccounts() (err error) {
	d.files = identity.NewAccounts()
	switch d.accounts = d.files; {
	case !d.config.Directory():
		return nil
	case d.helper != nil: // this process can make none that asks
		d.accounts = d.files.Beyond(d.helper.Directory())
		return nil
	}
	o := nss.System()
	if o.Getent, err = nss.Getent(); err != nil {
		return err
	}
	o.Groups, o.Now = d.config.Groups(), failpoint.Now
	d.directory = nss.New(o)
	d.accounts = d.files.Beyond(d.directory)
	return nil
}

// account looks an account up for the hands in our own process. With a directory it is whoever that says
// at this moment, and else nobody, but at a door that is for a uid alone.
func (d *daemon) account(ctx context.Context, name string, uid uint32) (identity.Account, error) {
	account, err := accountOrUID(name, uid)
	if d.directory == nil || err != nil || account.Name != name || account.GID != noGroup || name == strconv.Itoa(int(uid)) {
		return account, err
	}
	if account, err = d.directory.ByUID(ctx, uid); err == nil && account.Name != name {
		err = fmt.Errorf("the uid %d is that of the account %q, not of %q", uid, account.Name, name)
	}
	return account, err
}

// accountOrUID looks an account up in the files, and believes its
// uid. Of one that is in no file any more, or was never, and that people.yaml names, there is a door, at which
// it is heard that they are nobody here. They are in no group: one that has the number of a uid is not theirs.
func accountOrUID(name string, uid uint32) (identity.Account, error) {
	account, err := accounts.System().ByUID(uid)
	if errors.Is(err, identity.ErrNoAccount) && uid != accounts.NoID {
		account, err = identity.Account{Name: name, UID: uid, GID: noGroup, Home: "/", Shell: "/bin/sh"}, nil
	}
	return account, err
}

// noGroup is the group of whoever is in none: that of nobody.
const noGroup = 65534

// assembleLine brings the line together: doors → gateway → executor.
func (d *daemon) assembleLine(leases *grants.Leases) {
	servers := &hostServers{d: d}
	exe := &executor.Executor{
		Start:   servers.Start,
		Keys:    func(base access.Event) executor.KeyLog { return keyLog{d.log.Keys(d.ctx, base)} },
		Room:    &d.descriptors,
		Keeper:  func() *keeper.Keeper { return d.keeper },
		Gateway: func() *gateway.Gateway { return d.gateway },

		PasteLimit: d.config.PasteLimit, PasteConfirmLines: d.config.PasteConfirmLines,
		Asking: asking{d}, AnswerKey: d.config.AnswerKey,
		RequestKey: d.config.RequestKey,
		PanicKey:   d.config.PanicKey, Panic: d.panicAct,
	}
	d.executor = exe
	d.presence.tell = func(ctx context.Context) { exe.Presence(ctx, d.complain) }
	d.gateway = gateway.New(gateway.Parts{
		Policy: d.policy, Servers: servers, Log: d.log, Executor: exe, Denials: d.denials, Leases: leases,
		Declarations: d.given.Declarations(), Profiles: hostProfiles{d}, Strangers: d.strangers, Now: failpoint.Now,
	})
	d.assembleKeyboards(leases)
	d.assembleRequests()
	d.assembleGiven()
	d.tickets = &identity.Tickets{Keys: d.sshKeys, Now: d.gateway.Time, Owner: d.accountOwner, Second: d.secondOf}
	options := []identity.Option{identity.WithAccounts(d.accounts), identity.WithPanes(servers.panes), identity.WithTickets(d.tickets),
		identity.WithNamespaces(func(account string) bool { return slices.Contains(d.config.Namespaces, account) })}
	if d.helper != nil {
		options = append(options, identity.WithForced(d.forced))
	}
	prover := identity.NewProver(people{d.policy}, options...)
	d.tmuxDoor = &tmuxd.Server{
		Gateway: d.gateway, Prover: prover, Home: d.homeOf, Room: &d.descriptors, Complain: d.complain,
	}
	d.descriptors.Short = d.tmuxDoor.Spared
	d.ctlDoor = &ctld.Server{
		Gateway: d.gateway, Prover: prover, Arrive: d.arrive, Acts: d.act, Room: &d.descriptors, Complain: d.complain,
	}
}

// assembleKeyboards makes what minds who types where; the line and the displays are there by then.
func (d *daemon) assembleKeyboards(leases *grants.Leases) {
	d.keyboards = &keyboard.Keyboards{
		Leases: leases, Gateway: d.gateway, Policy: d.policy, Log: d.log, Servers: &hostServers{d}, Displays: d.executor,
		Revoked: d.denials.Revoked, TakesTurn: d.takesAsking, AnswerKey: d.config.AnswerKey,
		Complain: d.complain, Draining: d.draining.Load, Ctx: d.ctx, Go: d.wg.Go,
	}
}

// assembleRequests makes what minds what people ask for.
func (d *daemon) assembleRequests() {
	d.requests = &requests.Requests{
		Gateway: d.gateway, Policy: d.policy, Log: d.log, Grants: d.given, Hook: d.hook,
		TakesTurn: d.takesAsking, Strangers: d.strangers, Displays: d.executor,
		Complain: d.complain, Draining: d.draining.Load, Ctx: d.ctx, Unrecorded: d.unrecorded,
	}
}

// unrecorded says why nothing can be recorded now, nil if it can.
func (d *daemon) unrecorded() error {
	if h := d.log.Health(); !h.OK {
		return errors.New(h.Reason)
	}
	return nil
}

// openGrants opens what was given; what that needs besides is set in assembleGiven.
func (d *daemon) openGrants(ctx context.Context) {
	var err error
	if d.given, err = given.Open(ctx, filepath.Join(d.config.State, "grants.db"), grants.ClockAt(failpoint.Now())); err != nil {
		fmt.Fprintln(os.Stderr, "muxward:", err)
		d.event(access.EventAlarm, err.Error())
	}
}

// assembleGiven has what was given know the line, and what else there is by then.
func (d *daemon) assembleGiven() {
	b := d.given
	b.Gateway, b.Policy, b.Log, b.Servers = d.gateway, d.policy, d.log, &hostServers{d}
	b.Revoked, b.Locked, b.Strangers, b.Away = d.denials.Revoked, d.denials.Locked, d.strangers, d.away.givers
	b.Void = func(ctx context.Context) error { return d.keyboards.VoidSuggestions(ctx, keyboard.VoidTime) }
	b.Knock = func(ctx context.Context, who identity.Identity, v grants.Invite) (any, error) {
		return d.requests.KnocksAt(ctx, who, v)
	}
	b.BySSH = func() bool { return d.ssh != nil && len(d.ssh.ls) > 0 }
	b.Complain, b.Ctx, b.Go = d.complain, d.ctx, d.wg.Go
}

// keyLog fits audit's stream of keys to the executor.
type keyLog struct{ *audit.KeyStream }

// Close ends the stream; it cannot fail.
func (k keyLog) Close() error { k.KeyStream.Close(); return nil }

// startKeeper starts the small process that puts terminals right should this
// one be killed.
func startKeeper(ctx context.Context) (*keeper.Keeper, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("find our own program: %w", err)
	}
	return keeper.Start(ctx, []string{self, "keeper"}, nil)
}

// people says who an account is, by the policy in force.
type people struct{ *policy.Engine }

// start opens the doors and begins to watch.
func (d *daemon) start(ctx context.Context) {
	d.event(access.EventLife, "muxward "+d.version+" began, state "+d.config.State)
	if err := d.guard.Adopt(ctx); err != nil {
		d.complain("take up the tmux servers that were left running: " + err.Error())
	}
	d.mindAway(ctx) // while muxward was down, too
	d.openDoors(ctx)
	d.mindHelper()
	d.wg.Go(func() {
		if err := d.ctlDoor.Serve(d.ctx, d.ctl); err != nil {
			d.fail(fmt.Errorf("ctl door: %w", err))
		}
	})
	d.ssh.start(d)
	if d.config.Presence {
		d.presence.start()
	}
	d.wg.Go(d.watch)
	d.wg.Go(d.watchDirectory)
	d.wg.Go(d.keepIsolated)
	d.wg.Go(d.given.KeepTime)
	d.wg.Go(d.given.KeepDeclared)
	d.wg.Go(d.requests.Mind)
	d.wg.Go(d.keyboards.MindLeases)
	d.wg.Go(d.keyboards.MindSuggestions)
	d.wg.Go(func() { d.hook.Run(d.ctx) })
}

func (d *daemon) fail(err error) {
	select {
	case d.failed <- err:
	default:
	}
}

// drain ends everything in order: no new people, a word to those who are
// here, the log last.
func (d *daemon) drain() error {
	ctx, cancel := context.WithTimeout(context.Background(), drainTime)
	defer cancel()
	d.draining.Store(true)
	for _, u := range d.gateway.Shut(ctx, errDraining) {
		d.complain("at the end: " + u)
	}
	d.presence.stop()
	d.event(access.EventLife, "muxward ended")
	return nil
}

// close lets go of all parts, in the reverse of the order they were made in.
func (d *daemon) close() {
	d.presence.stop()
	d.stop()
	if d.directory != nil {
		d.directory.Close()
	}
	if d.ctl != nil {
		_ = d.ctl.Close()
	}
	d.ssh.close()
	if d.guard != nil {
		if err := d.guard.Close(); err != nil {
			fmt.Fprintln(os.Stderr, "muxward: close the doors:", err)
		}
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		if d.tmuxDoor != nil {
			d.tmuxDoor.Wait()
		}
		if d.ctlDoor != nil {
			d.ctlDoor.Wait()
		}
		d.ssh.wait()
		if d.executor != nil {
			d.executor.Wait() // it may begin something of ours
		}
		d.wg.Wait()
	}()
	ctx, cancel := context.WithTimeout(context.Background(), drainTime)
	defer cancel()
	select {
	case <-done:
	case <-ctx.Done():
		fmt.Fprintln(os.Stderr, "muxward: some connections did not end in time; ending anyway")
	}
	if d.keeper != nil {
		_ = d.keeper.Close(ctx) // it puts back what is left
	}
	if d.given != nil {
		d.given.Close(ctx)
	}
	if d.log != nil {
		if err := d.log.Close(ctx); err != nil && !errors.Is(err, context.DeadlineExceeded) {
			fmt.Fprintln(os.Stderr, "muxward: close the log:", err)
		}
	}
}
