package daemon

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"golang.org/x/crypto/ssh"

	"github.com/muxward/muxward/internal/access"
	"github.com/muxward/muxward/internal/acts"
	"github.com/muxward/muxward/internal/gateway"
	"github.com/muxward/muxward/internal/identity"
	"github.com/muxward/muxward/internal/server/ctld"
	"github.com/muxward/muxward/internal/server/sshd"
)

// lend has tickets given for the accounts that the configuration names. It keeps muxward
// from starting where they would prove nothing.
func (d *daemon) lend(ctx context.Context) error {
	asker := d.config.SSH.KeysUser
	if asker == "" {
		return nil
	}
	if !d.config.Root() && d.helper == nil {
		return errors.New("ssh: keys_user needs muxward to run as root, which alone can see who asks; remove it, or run muxward as root")
	}
	by, err := d.accounts.Local(ctx, asker)
	if err != nil {
		return fmt.Errorf("ssh: keys_user: %w", err)
	}
	if by.UID == 0 {
		return errors.New("ssh: keys_user is root: name an account that is for nothing else")
	}
	if len(d.config.SSH.KeysAccounts) == 0 {
		return errors.New("ssh: keys_user needs keys_accounts: the accounts that people log in to")
	}
	accounts := map[string]uint32{}
	for _, name := range d.config.SSH.KeysAccounts {
		account, err := d.accounts.Local(ctx, name)
		person := d.accountOwner(account.UID, name)
		switch {
		case err != nil:
		case account.UID == 0:
			err = fmt.Errorf("the account %q is root: nobody is to log in to it with a ticket", name)
		case account.UID == by.UID:
			err = fmt.Errorf("the account %q is keys_user: nobody is to log in to it", name)
		case person != "":
			err = fmt.Errorf("the account %q is %s's own (people.yaml): what they run would be run by whoever logs in; make an account that is nobody's", name, person)
		}
		if err != nil {
			return fmt.Errorf("ssh: keys_accounts: %w", err)
		}
		accounts[name] = account.UID
	}
	if d.helper != nil {
		d.tickets.SSHD = d.isSSHD
	}
	d.tickets.Asker, d.tickets.Accounts = asker, accounts
	d.ctlDoor.Keys = d.keysOf
	return nil
}

// accountOwner gives whose an account is by the policy in force, "" if nobody's.
func (d *daemon) accountOwner(uid uint32, account string) string {
	return d.policy.Set().Owner(uid, account)
}

// lentWrong tells of accounts that are lent and that the policy gives to a person now.
// Nobody comes by them then.
func (d *daemon) lentWrong() (wrong []string) {
	for name, uid := range d.tickets.Accounts {
		if person := d.accountOwner(uid, name); person != "" {
			wrong = append(wrong, fmt.Sprintf("the account %q is lent (ssh: keys_accounts) and %s's own (people.yaml): "+
				"nobody is let in by it, and who was is not any more; take it out of one of them", name, person))
		}
	}
	slices.Sort(wrong)
	return wrong
}

// lentServer tells of a tmux server that runs as an account that is lent, as one does that
// was begun when it was somebody's own: "" if it does not.
func (d *daemon) lentServer(owner string, account identity.Account) string {
	if !d.tickets.Lent(account) {
		return ""
	}
	return fmt.Sprintf("%s's tmux server runs as %s, an account that is lent (ssh: keys_accounts): what runs there can be whoever "+
		"comes by it; end that server", owner, account.Name)
}

// sshKeys gives the keys of people that are in force.
func (d *daemon) sshKeys() *identity.SSHKeys {
	if d.ssh == nil {
		return &identity.SSHKeys{}
	}
	return d.ssh.keys.Load()
}

// keysOf answers an sshd of the host that asks about a key. Whoever is nobody yet may
// have it asked as often as they like, so that leaves no more in the log than tries at
// the ssh door do.
func (d *daemon) keysOf(ctx context.Context, who identity.Identity, c ctld.Call) (any, error) {
	if err := d.tickets.MayAsk(who); err != nil { // any process can get as far
		return nil, err
	}
	line, key, err := d.ticketLine(ctx, who, c)
	if err == nil {
		return line, nil
	}
	ev := access.Event{Door: identity.DoorSSHD, Account: who.Account(), PID: who.PID(), Inside: who.Inside(),
		Key: key, Asked: []string{"keys", c.Account[:min(len(c.Account), maxAccountName)]}, Reason: err.Error()}
	if werr := d.gateway.AtDoor(ctx, ev); werr != nil {
		err = fmt.Errorf("%w (and the log cannot be written: %w)", err, werr)
	}
	if errors.Is(err, identity.ErrNoKey) {
		return identity.TicketLine{}, nil // sshd may know it by other means
	}
	return nil, err
}

// maxAccountName is longer than any account's name, in bytes.
const maxAccountName = 256

func (d *daemon) ticketLine(ctx context.Context, who identity.Identity, c ctld.Call) (line identity.TicketLine, name string, err error) {
	key, _, options, rest, err := ssh.ParseAuthorizedKey([]byte(c.Key))
	if err != nil || len(options) > 0 || len(rest) > 0 {
		return line, "", errors.New("this is no public key; the arguments are %u %t %k of sshd_config(5)")
	}
	name = identity.DescribeSSHKey(key)
	if len(c.Account) > maxAccountName { // anybody may ask, and it is written
		return line, name, errors.New("no account has so long a name")
	}
	account, err := d.accounts.Local(ctx, c.Account)
	if err == nil {
		line, err = d.tickets.Issue(who, account, key)
	}
	return line, name, err
}

// attachAct has a process be what it came as, which an sshd of the host has started, and
// says what it is to run.
func (d *daemon) attachAct(who identity.Identity, c ctld.Call) (*gateway.Act, error) {
	f, asked := acts.Forced{}, c.Argv
	var wrong error
	if len(c.Argv) == 1 {
		if f.Argv, f.Mode, wrong = sshd.ReadCommand(c.Argv[0]); wrong != nil {
			asked = []string{sshd.Hushed(c.Argv[0])}
		}
	}
	return &gateway.Act{Name: "attach", Args: asked, Open: true,
		Do: func(ctx context.Context, _ access.Object) (gateway.Result, error) {
			if err := d.tickets.Arrive(who); err != nil {
				return gateway.Result{}, err
			}
			if wrong != nil {
				return gateway.Result{}, d.gateway.Refuse(ctx, gateway.Request{Identity: who}, asked, wrong)
			}
			return gateway.Result{Value: f}, nil
		}}, nil
}

// arrive gives the person that a ticket is for. What they then ask for is in the line
// like anything else, as theirs: the log has it, or nobody is let in.
func (d *daemon) arrive(ctx context.Context, who identity.Identity, c ctld.Call) (identity.Identity, error) {
	if c.Act != "attach" {
		return identity.Identity{}, fmt.Errorf("a ticket is not for %q", c.Act)
	}
	is, key, err := d.tickets.Redeem(who, c.Ticket)
	ev := access.Event{Door: identity.DoorSSHD, Account: who.Account(), PID: who.PID(), Inside: who.Inside(),
		Key: key, Person: is.Person(), Allowed: err == nil, Note: "let in"}
	if err != nil {
		ev.Reason, ev.Note = err.Error(), ""
	}
	if werr := d.gateway.AtDoor(ctx, ev); werr != nil && err == nil {
		return identity.Identity{}, fmt.Errorf("you are not let in, because it cannot be recorded: %w", werr)
	}
	return is, err
}
