package keep

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/muxward/muxward/internal/accounts"
	"github.com/muxward/muxward/internal/config"
	"github.com/muxward/muxward/internal/pane"
	"github.com/muxward/muxward/internal/siblings"
)

// This file is about servers of nobody: tmux runs as an account that is nobody's, and its
// panes as another. They come from root's configuration, and from no caller.

// checkIsolated refuses what would not be apart.
func (o *Options) checkIsolated() error {
	if len(o.Isolated) == 0 {
		return nil
	}
	return o.checkApart(o.Isolated)
}

// checkApart is checkIsolated for these servers.
func (o *Options) checkApart(all map[string]config.Isolated) error {
	if !o.Root {
		return errors.New("isolated servers run as other accounts, which needs root")
	}
	if o.Launcher == "" {
		var err error
		if o.Launcher, err = siblings.Find(pane.Program); err != nil {
			return fmt.Errorf("isolated servers: %w", err)
		}
	}
	taken := map[uint32]string{}
	for _, name := range slices.Sorted(maps.Keys(all)) {
		iso := all[name]
		server, _, err := accountsOf(iso)
		switch {
		case !validOwner(name):
			return fmt.Errorf("the isolated server %.80q: give it a name of small letters and digits", name)
		case err != nil:
			return fmt.Errorf("the isolated server %s: %w", name, err)
		case taken[server.UID] != "":
			return fmt.Errorf("the isolated server %s: the account %s is that of %s already; give each one of its own", name, server.Name, taken[server.UID])
		}
		taken[server.UID] = name
		if err := o.beside(server); err != nil {
			return fmt.Errorf("the isolated server %s: account: %w", name, err)
		}
	}
	for name, iso := range all {
		_, run, err := accountsOf(iso)
		for _, a := range run {
			if err == nil {
				err = o.beside(a)
			}
			if err != nil {
				return fmt.Errorf("the isolated server %s: run_as: %w", name, err)
			}
			if taken[a.UID] != "" {
				return fmt.Errorf("the isolated server %s: its panes would run as %s, which is a server's account", name, a.Name)
			}
		}
	}
	return nil
}

// beside refuses the account that muxward itself runs as: whoever has it has what muxward
// keeps, and the last word on who gets in.
func (o *Options) beside(a accounts.Account) error {
	if o.Self != 0 && a.UID == o.Self {
		return fmt.Errorf("the account %s is what muxward runs as; name another", a.Name)
	}
	return nil
}

// accountsOf looks up what tmux runs as, and all that its panes run as where that is not
// a person's own, and refuses what is not apart.
func accountsOf(i config.Isolated) (server accounts.Account, run []accounts.Account, err error) {
	if server, err = accountByName(i.Account); err != nil {
		return server, nil, err
	}
	for _, name := range i.Shared() {
		a, err := accountByName(name)
		if err == nil {
			err = apart(server, a)
		}
		if err != nil {
			return server, nil, err
		}
		run = append(run, a)
	}
	return server, run, nil
}

// apart refuses a pair of accounts, of a tmux server and of a pane, of which one could
// reach into what is the other's.
func apart(server, run accounts.Account) error {
	if err := errors.Join(server.Usable(), run.Usable()); err != nil {
		return err
	}
	switch {
	case server.UID == 0 || run.UID == 0 || server.GID == 0 || run.GID == 0:
		return errors.New("neither its account nor that of a pane can be root or have root's group")
	case server.UID == run.UID:
		return fmt.Errorf("account and run_as are both uid %d: what runs in its panes could do everything to it", run.UID)
	case server.GID == run.GID || slices.Contains(run.Groups, server.GID):
		return fmt.Errorf("%s is in the group of %s; give the server's account a group of its own", run.Name, server.Name)
	}
	return nil
}

func accountByName(name string) (accounts.Account, error) {
	uid, err := accounts.System().UIDOf(name)
	if err != nil {
		return accounts.Account{}, fmt.Errorf("the account %w", err)
	}
	a, err := accounts.System().Named(name, uid)
	if err != nil {
		return a, fmt.Errorf("the account %.80q: %w", name, err)
	}
	return a, nil
}

// isolated gives the server that a name stands for in root's configuration, and whether
// there is one.
func (k *Keep) isolated(owner string) (config.Isolated, bool) {
	if iso, ok := k.opt.Isolated[owner]; ok {
		return iso, true
	}
	k.profiles.mu.Lock()
	defer k.profiles.mu.Unlock()
	p, ok := k.profiles.force[owner]
	if !ok {
		return config.Isolated{}, false
	}
	return p.Isolated(), true
}

// accountFor looks up the account that a caller has named for an owner's server. That of
// an isolated server stands in root's configuration, and there alone.
func (k *Keep) accountFor(ctx context.Context, owner string, named Account) (a accounts.Account, isolated bool, err error) {
	iso, isolated := k.isolated(owner)
	if isolated {
		if a, _, err = accountsOf(iso); err == nil {
			err = fits(a)
		}
		if err == nil && (a.Name != named.Name || a.UID != named.UID) {
			err = fmt.Errorf("%s is an isolated server, whose account is %s, uid %d: %w", owner, a.Name, a.UID, ErrRefused)
		}
		return a, true, err
	}
	if a, err = k.account(ctx, named); err == nil {
		err = k.mayRun(owner, a)
	}
	return a, false, err
}

// mayRun refuses the accounts of isolated servers for what is another's, a server or a
// door.
func (k *Keep) mayRun(owner string, a accounts.Account) error {
	for name, iso := range k.inForce() {
		server, err := accountByName(iso.Account)
		if name != owner && (a.Name == iso.Account || err == nil && server.UID == a.UID) {
			return fmt.Errorf("the account %s is that of the isolated server %s: %w", a.Name, name, ErrRefused)
		}
	}
	return nil
}

// isolatedConfiguration is what an isolated server reads: the administrator's files, and
// around them that it runs nothing in its panes but our program, and takes nothing of a
// client's environment.
func isolatedConfiguration(mark, launcher string, files []string) (string, error) {
	if strings.ContainsFunc(launcher, func(r rune) bool { return r <= ' ' || r >= 0x7f || strings.ContainsRune(`'"\$#;`, r) }) {
		return "", fmt.Errorf("the path of muxward-pane, %q, has characters that tmux reads; install it elsewhere", launcher)
	}
	own := fmt.Sprintf("set-option -g default-shell '%s'\nset-option -g default-command ''\nset-option -g update-environment ''\n", launcher)
	text, err := configuration(mark, files)
	return own + text + own, err
}
