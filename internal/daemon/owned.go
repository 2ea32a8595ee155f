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
	if err != nil {
		err = fmt.Errorf("the tmux server of %[1]s runs as the account %[2]s, uid %[3]d, which is not %[1]s's (%[4]w): root has to end process %[5]d",
			g.Owner(), tmux.Clean(runs.Name), runs.UID, err, g.PID())
	}
	return err
}

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
		return err
	case !directory:
		return errors.New("there is no such account any more")
	default:
		if now, err = files.Local(ctx, called); err == nil {
			return fmt.Errorf("the name is that of uid %d now", now.UID)
		} else if !errors.Is(err, identity.ErrNoAccount) {
			return err
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
