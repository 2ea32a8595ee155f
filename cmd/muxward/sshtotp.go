package main

import (
	"fmt"
	"io"
	"slices"

	"github.com/pquerna/otp/totp"
	"github.com/spf13/cobra"

	"github.com/muxward/muxward/internal/identity"
	"github.com/muxward/muxward/internal/server/sshd"
)

// secretSize is the length of new secrets in bytes, as RFC 4226 recommends.
const secretSize = 20

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
				issuer = "muxward " + sshd.ReachedBy("")
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
	cmd.Flags().StringVar(&f.state, "state", "", stateHelp)
	cmd.Flags().StringVar(&file, "file", "", "the `file` of secrets (default: that of the muxward of the state directory)")
	return cmd
}
