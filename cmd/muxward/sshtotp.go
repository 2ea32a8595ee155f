package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
	"slices"

	"github.com/pquerna/otp/totp"
	"github.com/spf13/cobra"

	"github.com/muxward/muxward/internal/failpoint"
	"github.com/muxward/muxward/internal/identity"
	"github.com/muxward/muxward/internal/policy"
)

// secretSize is the length of new secrets in bytes, as RFC 4226 recommends.
const secretSize = 20

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
	data, err := readKept(path, maxKeysFile, secret)
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

// newSSHTOTPCmd makes `muxward ssh-totp`: the second factors of people who come by ssh.
func newSSHTOTPCmd() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "ssh-totp",
		Short: "keep people's second factors for the ssh door",
		Long: `Who has a secret here is asked for a code behind their key when they come by ssh
(ssh: {totp: FILE} in the configuration). A policy can demand it:

  forbid (principal, action, resource) when { context.door == "ssh" } unless { context.mfa };

An sshd of the host asks for no codes: whoever has a secret here comes by muxward's own
door alone.

Root changes the file that root's configuration names, in a directory that nobody but root
can change.

A running muxward notices a changed file by itself. Who is connected stays; who came
in by a code of a secret that is replaced or removed does not.`,
		Example: `  muxward ssh-totp add bob
  muxward ssh-totp remove bob`,
	}
	return family(cmd, newSSHTOTPAddCmd(), newSSHTOTPRemoveCmd())
}

func newSSHTOTPAddCmd() *cobra.Command {
	var f daemonFlags
	var file, issuer string
	var replace bool
	cmd := &cobra.Command{
		Use:   "add PERSON",
		Short: "make a secret for a person, and print it for their authenticator",
		Long: `Make a secret for a person and print its otpauth:// line; on a terminal, the same as a
QR code. It is shown only here: whoever reads it can make the codes.`,
		Args: exactly(1, "one person"),
		RunE: func(cmd *cobra.Command, args []string) error {
			person, err := identity.CanonicalName(args[0])
			if err != nil {
				return usageError{err}
			}
			at, err := f.totpFile(file)
			if err != nil {
				return err
			}
			if issuer == "" {
				issuer = "muxward " + reachedBy("")
			}
			key, err := totp.Generate(totp.GenerateOpts{Issuer: issuer, AccountName: person, SecretSize: secretSize})
			if err != nil {
				return fmt.Errorf("make a secret: %w", err)
			}
			err = at.change(func(has *identity.TOTPKeys, lines []string) ([]string, error) {
				if slices.Contains(has.People(), person) {
					if !replace {
						return nil, fmt.Errorf("%s has a second factor; to put another in its place: --replace", person)
					}
					lines = without(lines, person)
				}
				return append(lines, person+" "+key.Secret()), nil
			})
			if err != nil {
				return err
			}
			if f.json {
				return printJSON(cmd, map[string]string{"person": person, "url": key.URL()})
			}
			return showTOTP(cmd.OutOrStdout(), key.URL())
		},
	}
	f.add(cmd)
	cmd.Flags().StringVar(&file, "file", "", "the `file` of secrets (default: that of the muxward of the state directory)")
	cmd.Flags().StringVar(&issuer, "issuer", "", "what authenticators call this host (default: muxward, and its name)")
	cmd.Flags().BoolVar(&replace, "replace", false, "put it in the place of the secret that the person has")
	return cmd
}

// showTOTP prints an otpauth:// line, and draws it where a person looks.
func showTOTP(w io.Writer, url string) error {
	if _, err := fmt.Fprintln(w, url); err != nil {
		return err
	}
	return showQR(w, url)
}

func newSSHTOTPRemoveCmd() *cobra.Command {
	var f daemonFlags
	var file string
	cmd := &cobra.Command{
		Use:   "remove PERSON",
		Short: "take a person's secret away: they are not asked any more",
		Args:  exactly(1, "one person"),
		RunE: func(_ *cobra.Command, args []string) error {
			at, err := f.totpFile(file)
			if err != nil {
				return err
			}
			return at.change(func(has *identity.TOTPKeys, lines []string) ([]string, error) {
				if !slices.Contains(has.People(), args[0]) {
					return nil, fmt.Errorf("%s has no second factor in %s", args[0], at.path)
				}
				return without(lines, args[0]), nil
			})
		},
	}
	cmd.Flags().StringVar(&f.state, "state", "", "state `directory` of the muxward to ask (default $MUXWARD_STATE)")
	cmd.Flags().StringVar(&file, "file", "", "the `file` of secrets (default: that of the muxward of the state directory)")
	return cmd
}
