package main

import (
	"context"
	"errors"
	"fmt"

	"golang.org/x/crypto/ssh"

	"github.com/muxward/muxward/internal/access"
	"github.com/muxward/muxward/internal/gateway"
	"github.com/muxward/muxward/internal/identity"
	"github.com/muxward/muxward/internal/server/ctld"
	"github.com/muxward/muxward/internal/server/sshd"
)

// lobby is what somebody may choose from who has named nothing.
type lobby struct {
	Text    string   `json:"text"`
	Targets []string `json:"targets"`
}

// forced is what a forced command is to run: the tmux client, with what was asked for.
type forced struct {
	Tmux  string   `json:"tmux"`
	Doors string   `json:"doors"`
	Argv  []string `json:"argv"`
	Mode  string   `json:"mode,omitempty"`
}

// checkKeysUser keeps muxward from starting where tickets would prove nothing.
func (d *daemon) checkKeysUser(ctx context.Context) error {
	name := d.config.SSH.KeysUser
	if name == "" {
		return nil
	}
	if !d.config.Root() {
		return errors.New("ssh: keys_user needs muxward to run as root, which alone can see who asks; remove it, or run muxward as root")
	}
	if _, err := d.accounts.ByName(ctx, name); err != nil {
		return fmt.Errorf("ssh: keys_user: %w", err)
	}
	return nil
}

// sshKeys gives the keys of people that are in force.
func (d *daemon) sshKeys() *identity.SSHKeys {
	if d.ssh == nil {
		return &identity.SSHKeys{}
	}
	return d.ssh.keys.Load()
}

// keysAct gives a ticket for a key that somebody may prove to an sshd of the host.
func (d *daemon) keysAct(who identity.Identity, c ctld.Call) (*gateway.Act, error) {
	key, _, options, rest, err := ssh.ParseAuthorizedKey([]byte(c.Key))
	if err != nil || len(options) > 0 || len(rest) > 0 {
		return nil, errors.New("this is no public key; the arguments are %u %t %k of sshd_config(5)")
	}
	return &gateway.Act{Name: "keys", Args: []string{c.Account, identity.DescribeSSHKey(key)}, Open: true,
		Do: func(ctx context.Context, _ access.Object) (gateway.Result, error) {
			account, err := d.accounts.ByName(ctx, c.Account)
			if err != nil {
				return gateway.Result{}, err
			}
			line, err := d.tickets.Issue(who, account.UID, key)
			if errors.Is(err, identity.ErrNoKey) {
				return gateway.Result{Value: identity.TicketLine{}}, nil
			}
			return gateway.Result{Value: line}, err
		}}, nil
}

// attachAct lets a process in that an sshd of the host has started, and says what it is
// to run.
func (d *daemon) attachAct(who identity.Identity, c ctld.Call) (*gateway.Act, error) {
	return &gateway.Act{Name: "attach", Args: c.Argv, Open: true,
		Do: func(ctx context.Context, _ access.Object) (gateway.Result, error) {
			is, err := d.arrive(ctx, who, c.Ticket)
			if err != nil {
				return gateway.Result{}, err
			}
			f := forced{Tmux: d.tmux, Doors: d.config.Doors}
			if len(c.Argv) == 1 {
				if f.Argv, f.Mode, err = sshd.ReadCommand(c.Argv[0]); err != nil {
					return gateway.Result{}, d.gateway.Refuse(ctx, gateway.Request{Identity: is}, c.Argv, err)
				}
			}
			return gateway.Result{Value: f}, nil
		}}, nil
}

// arrive lets somebody in as the account that they are, or with a ticket as the person
// that it is for. The log has it, or nobody is let in.
func (d *daemon) arrive(ctx context.Context, who identity.Identity, ticket string) (identity.Identity, error) {
	if ticket == "" {
		return who, d.tickets.Arrive(who)
	}
	is, key, err := d.tickets.Redeem(who, ticket)
	ev := access.Event{Door: identity.DoorSSHD, Account: who.Account(), PID: who.PID(), Inside: who.Inside(),
		Key: key, Person: is.Person(), Allowed: err == nil, Note: "let in"}
	if err != nil {
		ev.Reason, ev.Note = err.Error(), ""
	}
	if werr := d.gateway.AtDoor(ctx, ev); werr != nil && err == nil {
		err = fmt.Errorf("you are not let in, because it cannot be recorded: %w", werr)
	}
	return is, err
}
