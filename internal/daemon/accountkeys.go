package daemon

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/muxward/muxward/internal/accounts"
	"github.com/muxward/muxward/internal/identity"
	"github.com/muxward/muxward/internal/policy"
)

const (
	// accountKeysTime bounds how long all accounts together may take: a home may be
	// on a file system that does not answer.
	accountKeysTime = 3 * time.Second
	// accountKeyTime bounds one of them, so that some that do not answer keep the others
	// from no turn.
	accountKeyTime = time.Second
	// atOnce is how many accounts' files are read at the same time.
	atOnce = 8
	// staleTime is how long what was read of an account counts while it does not answer:
	// that is not to have taken a key out.
	staleTime = 10 * time.Minute
)

// accountKeys reads the authorized_keys of people's own accounts.
type accountKeys struct {
	// account gives the account of a person of the policy.
	account func(ctx context.Context, person string) (identity.Account, error)
	// elsewhere reports whether no file of the host has a person's account, so that a directory is asked; nil
	// if none is. Those people have turns of their own: nobody else's keys wait for it.
	elsewhere func(ctx context.Context, person string) bool
	// readFile reads an account's file.
	readFile func(identity.Account) ([]byte, error)
	// own is the only account that is looked at, if there is one: others' files are
	// not ours to read.
	own *uint32

	reading sync.Mutex             // one reading of all at a time
	last    map[string]accountFile // by person, as it could be read last; reading is held

	mu   sync.Mutex
	busy map[string]bool // by uid and path: a reading that does not return
}

// accountFile is one person's file as it could be read.
type accountFile struct {
	person, path string
	uid          uint32 // of the account, where path is known
	data         []byte
	err          error
	stale        error // why it is what was read before
	at           time.Time
}

// files reads those of all people of the policy. Those without an account or a file
// are not among them.
func (a *accountKeys) files(ctx context.Context, set *policy.Set) []accountFile {
	a.reading.Lock()
	defer a.reading.Unlock()
	ctx, cancel := context.WithTimeout(ctx, accountKeysTime)
	defer cancel()
	people := set.People()
	all := make([]accountFile, len(people))
	here, there := make(chan struct{}, atOnce), make(chan struct{}, atOnce)
	var wg sync.WaitGroup
	for i, person := range people {
		turn := here
		if a.elsewhere != nil && a.elsewhere(ctx, person) {
			turn = there
		}
		wg.Go(func() {
			select {
			case turn <- struct{}{}:
				defer func() { <-turn }()
				all[i] = a.file(ctx, person)
			case <-ctx.Done():
				all[i] = accountFile{person: person, err: errSlowHome}
			}
		})
	}
	wg.Wait()
	a.remember(all, time.Now())
	var out []accountFile
	for _, f := range all {
		if f.err == nil && f.path == "" || errors.Is(f.err, fs.ErrNotExist) {
			continue
		}
		out = append(out, f)
	}
	return out
}

// remember puts what was read last in the place of what cannot be read for now, and
// forgets what is too old, or of nobody any more.
func (a *accountKeys) remember(all []accountFile, now time.Time) {
	last := map[string]accountFile{}
	for i, f := range all {
		before, known := a.last[f.person]
		switch {
		case f.err == nil && f.path != "":
			f.at = now
			last[f.person] = f
		case passing(f.err) && known && f.mayBe(before) && now.Sub(before.at) < staleTime:
			last[f.person] = before
			before.stale = f.err
			all[i] = before
		}
	}
	a.last = last
}

// mayBe reports whether a file that cannot be read for now may be the one that was read before: the person's
// account may be another one since.
func (f accountFile) mayBe(before accountFile) bool {
	return f.path == "" || f.path == before.path && f.uid == before.uid // where it is not told, neither is that it has changed
}

// passing reports whether an error says nothing about the file itself.
func passing(err error) bool {
	for _, is := range []error{errSlowHome, unix.EIO, unix.ESTALE, unix.EINTR, unix.EAGAIN, unix.ETIMEDOUT, unix.ENOMEM,
		unix.EMFILE, unix.ENFILE, unix.ENOTCONN, unix.EHOSTDOWN, unix.EHOSTUNREACH, unix.EREMOTEIO} {
		if errors.Is(err, is) {
			return true
		}
	}
	return false
}

var errSlowHome = errors.New("the home directory does not answer in time")

func (a *accountKeys) file(ctx context.Context, person string) accountFile {
	ctx, cancel := context.WithTimeout(ctx, accountKeyTime)
	defer cancel()
	account, err := a.account(ctx, person)
	switch {
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, accounts.ErrUnanswered):
		return accountFile{person: person, err: fmt.Errorf("%w: the directory service does not tell whose it is", errSlowHome)}
	case passing(err): // such as no descriptor left for the account file
		return accountFile{person: person, err: err}
	}
	if err != nil || !filepath.IsAbs(account.Home) || a.own != nil && account.UID != *a.own {
		return accountFile{person: person} // they have none here
	}
	f := accountFile{person: person, uid: account.UID, path: filepath.Join(account.Home, ".ssh", "authorized_keys")}
	a.mu.Lock()
	key := busyKey(account, f.path)
	busy := a.busy[key]
	if a.busy == nil {
		a.busy = map[string]bool{}
	}
	a.busy[key] = true
	a.mu.Unlock()
	if busy {
		f.err = errSlowHome
		return f
	}
	done := make(chan accountFile, 1)
	go func() { // it ends when the file system answers; until then no other begins
		f := f
		f.data, f.err = a.readFile(account)
		a.mu.Lock()
		delete(a.busy, key)
		a.mu.Unlock()
		done <- f
	}()
	select {
	case f = <-done:
	case <-ctx.Done():
		f.err = errSlowHome
	}
	return f
}

// busyKey tells accounts apart that have one home: each is read by its own owner's rule.
func busyKey(account identity.Account, path string) string { return fmt.Sprint(account.UID, " ", path) }

// sum sums files up, to see whether something has changed.
func sum(files []accountFile) string {
	h := sha256.New()
	for _, f := range files {
		fmt.Fprintf(h, "%q %q %d %v %t\n", f.person, f.path, len(f.data), f.err, f.stale != nil)
		_, _ = h.Write(f.data) // a hash takes everything
	}
	return fmt.Sprintf("%x", h.Sum(nil))
}
