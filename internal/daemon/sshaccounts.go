package daemon

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/muxward/muxward/internal/identity"
	"github.com/muxward/muxward/internal/policy"
)

const (
	// toldTime is the time in which so many times is told what is wrong with a person's
	// own file: they may change it as often as they like.
	toldTime = 10 * time.Minute
	toldOnce = 5
)

// toldOf is how often something was told of somebody's own file.
type toldOf struct {
	since time.Time
	times int
}

// homes reads the files of people's own accounts, if those are taken.
func (s *sshDoor) homes(set *policy.Set) []accountFile {
	if s.accounts == nil {
		return nil
	}
	return s.accounts.files(context.Background(), set)
}

// ofAccounts gives those keys of such files that are taken beside those that an
// administrator lists. One that cannot be read gives none: what its account has taken out
// of it is not to stay in force. Nor does that of a person whose own list of the
// administrator's is broken: its conditions would not hold.
func (s *sshDoor) ofAccounts(listed []*identity.SSHKey, homes []accountFile, broken map[string]bool, complain func(string)) []*identity.SSHKey {
	var keys []*identity.SSHKey
	wrong := map[string]error{}
	for _, f := range homes {
		more, err := []*identity.SSHKey(nil), f.err
		if err == nil && broken[f.person] {
			err = errors.New("what an administrator says of their keys cannot be read")
		}
		if err == nil {
			more, err = identity.ParseAccountKeys(f.data, f.person, f.path)
		}
		switch {
		case err != nil:
			wrong[f.person] = fmt.Errorf("keys of %s's account are not taken: %w", f.person, err)
		case f.stale != nil:
			wrong[f.person] = fmt.Errorf("keys of %s's account are those read last, for a while: %w", f.person, f.stale)
		}
		keys = append(keys, more...)
	}
	kept, theirs := s.claims.Take(listed, keys)
	for person, errs := range theirs {
		wrong[person] = errors.Join(append([]error{wrong[person]}, errs...)...)
	}
	for person, err := range wrong {
		if s.mayTell(person, time.Now()) {
			complain("ssh door: " + err.Error())
		}
	}
	return kept
}

// mayTell bounds how often something is told of one person's own file.
func (s *sshDoor) mayTell(person string, now time.Time) bool {
	t := s.told[person]
	if t == nil || now.Sub(t.since) > toldTime {
		if s.told == nil {
			s.told = map[string]*toldOf{}
		}
		t = &toldOf{since: now}
		s.told[person] = t
	}
	t.times++
	return t.times <= toldOnce
}
