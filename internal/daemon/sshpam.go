package daemon

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"github.com/muxward/muxward/internal/access"
	"github.com/muxward/muxward/internal/config"
	"github.com/muxward/muxward/internal/ctxlock"
	"github.com/muxward/muxward/internal/identity"
	"github.com/muxward/muxward/internal/pam"
	"github.com/muxward/muxward/internal/pam/pamd"
	"github.com/muxward/muxward/internal/policy"
	"github.com/muxward/muxward/internal/privsep"
)

// sshPAM are the logins by password at the ssh door. The zero value takes none.
type sshPAM struct {
	rules  atomic.Pointer[identity.PasswordRules]
	behind atomic.Pointer[config.Themselves] // who proves a password behind each key
	logins atomic.Pointer[pam.Logins]        // made when passwords are taken for the first time
	work   atomic.Int64                      // how long PAM may take to say something
	look   ctxlock.Turn                      // to have an account looked up
	stand  ctxlock.Turn                      // the same for those who have proved one
	helper *privsep.Client                   // has PAM asked, if it is not nil
	asked  atomic.Pointer[string]            // by the service that it began with
}

// turnTime is how long somebody who logs in waits for their turn to have an account looked
// up: as long as that may take for whoever is before them.
const turnTime = 5 * time.Second

// lookUp gives an account, as find does, for one login at a time: accounts are looked up
// for a few people at once and for no others, and many log in at once. Who has proved one
// waits in a turn of their own, as theirs ends what they do if it does not come.
func (s *sshPAM) lookUp(ctx context.Context, mine ctxlock.Turn, name string, find func(context.Context, string) (identity.Account, string, error)) (identity.Account, string, error) {
	ctx, cancel := context.WithTimeout(ctx, turnTime)
	defer cancel()
	if mine.Take(ctx, turnTime, errNoTurn) != nil {
		return identity.Account{}, "", errNoTurn
	}
	defer mine.Leave()
	return find(ctx, name)
}

// errNoTurn is why somebody was not looked up.
var errNoTurn = errors.New("the account cannot be looked up: others who log in have waited for that too long")

// set puts in force whose passwords are taken. What is wrong with it changes nothing.
func (s *sshPAM) set(c config.SSH) error {
	for _, person := range c.PAMBehindKeys.People {
		if _, err := identity.CanonicalName(person); err != nil {
			return fmt.Errorf("ssh: pam_behind_keys: %w", err)
		}
	}
	rules := identity.PasswordRules{Service: c.PAMService(), Root: c.PAMRoot, MFA: c.PAMMFA, BehindKey: c.PAMBehindKeys.Has}
	if s.helper != nil && !s.asked.CompareAndSwap(nil, &rules.Service) && rules.Service != "" && rules.Service != *s.asked.Load() {
		return errors.New("ssh: pam: muxward-helper asks by the service that it began with, or by none; to change that start it anew")
	}
	if rules.Service != "" {
		if err := s.ready(rules.Service); err != nil {
			return fmt.Errorf("ssh: pam: %w", err)
		}
	}
	s.work.Store(int64(cmp.Or(c.PAMWait, pam.WorkTime)))
	s.behind.Store(&c.PAMBehindKeys)
	s.rules.Store(&rules)
	return nil
}

// behindWrong gives what is wrong with who is to prove a password behind each key: whoever was meant
// by a name that is nobody's comes by a key alone, and root by none where its password is not asked for.
func (s *sshPAM) behindWrong(set *policy.Set) (wrong []error) {
	who := s.behind.Load()
	if who == nil {
		return nil
	}
	for _, person := range who.People {
		if !set.IsPerson(person) {
			wrong = append(wrong, fmt.Errorf("pam_behind_keys: there is no person %q in people.yaml: whoever is meant comes by a key alone", person))
		}
	}
	if root, err := set.PersonOf(0, "root"); err == nil && set.IsPerson(root) && who.Has(root) && !s.now().Root {
		wrong = append(wrong, fmt.Errorf("pam_behind_keys: %s, who is root, comes by no key: PAM is not asked for root's password; add pam_root: true, or leave them out of the list", root))
	}
	return wrong
}

// ready sees that PAM can be asked by a service.
func (s *sshPAM) ready(service string) error {
	if err := pam.CheckService(service); err != nil {
		return err
	}
	if _, err := pamd.Service(service); err != nil {
		return err
	}
	if s.logins.Load() != nil {
		return nil
	}
	if s.helper != nil {
		s.logins.Store(&pam.Logins{Remote: func(ctx context.Context, r pam.Request) (*os.File, func(), error) {
			return s.helper.Login(ctx, r.Account, r.From)
		}})
		return nil
	}
	program, err := pam.FindProgram()
	if err != nil {
		return err
	}
	s.logins.Store(&pam.Logins{Program: program})
	return nil
}

func (s *sshPAM) now() identity.PasswordRules {
	if rules := s.rules.Load(); rules != nil {
		return *rules
	}
	return identity.PasswordRules{}
}

// login has PAM asked. The service is looked at before and behind: PAM reads its files when
// a login begins, and they could be gone just then.
func (s *sshPAM) login(ctx context.Context, service, name, from string, who identity.LoginPerson) (answers int, err error) {
	logins := s.logins.Load()
	if logins == nil {
		return 0, identity.ErrNotAsked
	}
	before, err := pamd.Service(service)
	if err != nil {
		return 0, fmt.Errorf("%w: %w", identity.ErrNotAsked, err)
	}
	account := name
	if pam.CheckName(name) != nil {
		account = identity.Nobody
	}
	answers, err = logins.Login(ctx, pam.Request{Service: service, Account: account, From: from}, time.Duration(s.work.Load()), who)
	switch {
	case errors.Is(err, unix.EUSERS): // of the helper: it was asked too often
		err = fmt.Errorf("%w: %w", identity.ErrTooOften, err)
	case errors.Is(err, pam.ErrNotAsked):
		err = fmt.Errorf("%w: %w", identity.ErrNotAsked, err)
	}
	if err == nil && account != name {
		err = errors.New("what was named is no account")
	}
	if err == nil {
		var now fs.FileInfo
		if now, err = pamd.Service(service); err == nil && !unchanged(before, now) {
			err = fmt.Errorf("the PAM service %s was changed meanwhile; try again", service)
		}
	}
	if err != nil {
		return 0, err
	}
	return answers, nil
}

// unchanged reports whether a file is the one that it was.
func unchanged(before, now fs.FileInfo) bool {
	return os.SameFile(before, now) && before.ModTime().Equal(now.ModTime()) && before.Size() == now.Size()
}

// passwordAccount gives the account by whose password somebody comes in, and whose it is:
// whom it would be at the tmux door, if the people file lists them.
func (d *daemon) passwordAccount(ctx context.Context, name string) (identity.Account, string, error) {
	if err := pam.CheckName(name); err != nil {
		return identity.Account{}, "", err
	}
	account, err := d.accounts.Local(ctx, name)
	if err != nil {
		return identity.Account{}, "", err
	}
	if own := uint32(os.Geteuid()); !d.config.Root() && account.UID != own {
		return account, "", fmt.Errorf("the account %q is not the one that muxward runs as", name)
	}
	if d.tickets.Lent(account) {
		return account, "", fmt.Errorf("the account %q is lent (ssh: keys_accounts), and nobody's", name)
	}
	person, err := d.policy.PersonOf(account.UID, account.Name)
	if err == nil && !d.policy.Set().IsPerson(person) {
		err = fmt.Errorf("the account %q is nobody's in people.yaml", name)
	}
	return account, person, err
}

// rereadPAM puts in force what the configuration says now of passwords. What rests on those
// that are not taken any more ends as the door is looked at anew.
func (s *sshDoor) rereadPAM(d *daemon) {
	if s == nil || len(s.ls) == 0 || d.config.File == "" {
		return
	}
	c, err := config.Load(d.config.File)
	if err == nil {
		err = s.pam.set(c.SSH)
	}
	if err != nil {
		d.event(access.EventReload, "ssh door: what the configuration says of passwords was refused: "+err.Error())
		fmt.Fprintf(os.Stderr, "muxward: what the configuration says of passwords (ssh: pam) was NOT loaded, what was read last stays in force:\n%v\n", err)
	}
}
