package daemon

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"

	"github.com/muxward/muxward/internal/failpoint"
	"github.com/muxward/muxward/internal/identity"
	"github.com/muxward/muxward/internal/policy"
)

// second is what people prove beside their key; nil if nothing is configured.
func (s *sshDoor) second(d *daemon) identity.SecondFactor {
	if s.config.TOTP == "" {
		return nil
	}
	// The wall's time, as people's authenticators have it: the gateway's never goes back,
	// and would stay ahead of them all when a clock that was wrong is set right.
	return &identity.Codes{Keys: s.totp.Load, Now: failpoint.Now, Dir: filepath.Join(d.config.State, "totp-used"),
		Complain: d.complain}
}

// secondOf tells what a person has to prove beside a key, "" for nothing.
func (d *daemon) secondOf(person string) string {
	if d.ssh == nil {
		return ""
	}
	if behind := d.ssh.pam.now().BehindKey; behind != nil && behind(person) {
		return "password"
	}
	if d.ssh.config.TOTP == "" {
		return ""
	}
	return d.ssh.second(d).Of(person)
}

// loadTOTP puts the secrets of people in force. While the file cannot be used those stay
// that were read last: nobody comes in without their second factor for it.
func (s *sshDoor) loadTOTP(set *policy.Set, wrong *[]error) error {
	if s.config.TOTP == "" {
		return nil
	}
	t, err := readTOTP(s.config.TOTP)
	if err != nil {
		return fmt.Errorf("the second factors of the ssh door: %w", err)
	}
	s.totp.Store(t)
	for _, person := range slices.Sorted(slices.Values(t.People())) {
		if !set.IsPerson(person) {
			*wrong = append(*wrong, fmt.Errorf("%s: there is no person %q in people.yaml", s.config.TOTP, person))
		}
	}
	return nil
}

func readTOTP(path string) (*identity.TOTPKeys, error) {
	data, err := readKept(path, identity.MaxKeysFile, secret)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%w; make it with: muxward ssh-totp add --file %s PERSON", err, path)
	}
	if err != nil {
		return nil, err
	}
	return identity.ParseTOTPKeys(data, path)
}

// secret refuses what others can read, or could have written.
func secret(path string, info fs.FileInfo) error {
	if err := kept(path, info); err != nil {
		return err
	}
	return private(path, info)
}

// private refuses what others can read.
func private(path string, info fs.FileInfo) error {
	if info.Mode().Perm()&0o077 != 0 {
		return fmt.Errorf("%s may be read by others (mode %04o); if nobody has: chmod 600 %s", path, info.Mode().Perm(), path)
	}
	return nil
}
