package daemon

import (
	"context"
	"errors"
	"fmt"

	"github.com/muxward/muxward/internal/gateway"
	"github.com/muxward/muxward/internal/identity"
	"github.com/muxward/muxward/internal/tmux"
)

var _ gateway.Owned = guarded{} // else nothing would ask whose they are

// OwnedBy says why somebody of the owner's name is not whom the server runs as.
func (g guarded) OwnedBy(who identity.Identity) error {
	uid, local := who.UID()
	if local && uid == g.UID() { // the common case; whether that account is still theirs is the policy's to say
		return nil
	}
	runs := g.Account()
	err := stillTheirs(g.d.ctx, who, g.Owner(), runs, g.d.policy.PersonOf, g.d.files, g.d.config.Directory())
	return ownedText(g.Owner(), runs, g.PID(), err)
}

// Astray says why the account that the server runs as is another's by now.
func (g guarded) Astray() error {
	why := g.d.away.why(serverTenure(g.Owner(), g.Account()))
	return ownedText(g.Owner(), g.Account(), g.PID(), why)
}

// ownedText says what is to be done about a server that is not known to be its owner's.
func ownedText(owner string, runs identity.Account, pid int, why error) error {
	var none *notToldError
	switch {
	case why == nil:
		return nil
	case errors.As(why, &none): // nobody is to end a server for that
		return fmt.Errorf("it is not told just now whether the account %s, uid %d, that the tmux server of %[3]s runs as is %[3]s's: %[4]w; try again",
			tmux.Clean(runs.Name), runs.UID, owner, why)
	}
	return fmt.Errorf("the tmux server of %[1]s runs as the account %[2]s, uid %[3]d, which is not %[1]s's (%[4]w): root has to end process %[5]d",
		owner, tmux.Clean(runs.Name), runs.UID, why, pid)
}

// notToldError is that files could not be read: they may be a moment later.
type notToldError struct{ error }

func (e *notToldError) Unwrap() error { return e.error }

// notTheirs tells of servers of people that run as an account that is not theirs, as far as that can be told
// whoever comes.
func (d *daemon) notTheirs() (wrong []string) {
	for _, s := range d.guard.Servers() {
		owner := identity.Supposed(identity.Subject{Person: s.Owner(), UID: -1})
		if s.Isolated() {
			continue
		}
		if err := (guarded{s, d}).OwnedBy(owner); err != nil {
			wrong = append(wrong, err.Error())
		}
	}
	return wrong
}

// accountFiles are the accounts that files have.
type accountFiles interface {
	ByUID(ctx context.Context, uid uint32) (identity.Account, error)
	Local(ctx context.Context, name string) (identity.Account, error)
}

// stillTheirs says why an account, as it was called when something of it began, is none of a person's. It may have
// another name by now, if that is theirs. Of one that no file has a directory, if there is one, is not asked: whoever
// is in the middle of something would wait for it. It counts while the policy says so, and no file has its name.
func stillTheirs(ctx context.Context, who identity.Identity, person string, was identity.Account,
	personOf func(uid uint32, account string) (string, error), files accountFiles, directory bool,
) error {
	called := was.Name
	now, err := files.ByUID(ctx, was.UID)
	switch {
	case err == nil:
		called = now.Name
	case !errors.Is(err, identity.ErrNoAccount):
		return &notToldError{err}
	case !directory:
		return errors.New("there is no such account any more")
	default:
		if now, err = files.Local(ctx, called); err == nil {
			return fmt.Errorf("the name is that of uid %d now", now.UID)
		} else if !errors.Is(err, identity.ErrNoAccount) {
			return &notToldError{err}
		}
	}
	is, err := personOf(was.UID, called)
	switch {
	case err != nil:
		return err
	case is != person:
		return fmt.Errorf("it is %s's", is)
	}
	if uid, local := who.UID(); local && uid != was.UID && who.Account() == called {
		return fmt.Errorf("the name is that of uid %d now", uid)
	}
	return nil
}
