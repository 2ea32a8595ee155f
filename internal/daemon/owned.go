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
		err = fmt.Errorf("the tmux server of %s runs as the account %s, uid %d, which is not yours (%w): root ends it, process %d",
			g.Owner(), tmux.Clean(runs.Name), runs.UID, err, g.PID())
	}
	return err
}

// accountFiles are the accounts that files have.
type accountFiles interface {
	ByUID(ctx context.Context, uid uint32) (identity.Account, error)
	Local(ctx context.Context, name string) (identity.Account, error)
}

// stillTheirs says why an account, as it was called when something of it began, is none of a person's. Of one
// that no file has a directory, if there is one, is not asked: whoever is in the middle of something would wait for
// it. It counts while the policy says so, and no file has its name.
func stillTheirs(ctx context.Context, who identity.Identity, person string, was identity.Account,
	personOf func(uid uint32, account string) (string, error), files accountFiles, directory bool,
) error {
	is, err := personOf(was.UID, was.Name)
	switch {
	case err != nil:
		return err
	case is != person:
		return fmt.Errorf("it is %s's", is)
	}
	if uid, local := who.UID(); local && uid != was.UID && who.Account() == was.Name {
		return fmt.Errorf("the name is that of uid %d now", uid)
	}
	now, err := files.ByUID(ctx, was.UID)
	switch {
	case err == nil && now.Name == was.Name:
		return nil
	case err == nil:
		return fmt.Errorf("it is called %s now", tmux.Clean(now.Name))
	case !errors.Is(err, identity.ErrNoAccount):
		return err
	case !directory:
		return errors.New("there is no such account any more")
	}
	now, err = files.Local(ctx, was.Name)
	switch {
	case err == nil:
		return fmt.Errorf("the name is that of uid %d now", now.UID)
	case !errors.Is(err, identity.ErrNoAccount):
		return err
	}
	return nil
}
