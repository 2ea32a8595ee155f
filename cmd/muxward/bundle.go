package main

import (
	"crypto/rand"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/mod/sumdb/note"
	"golang.org/x/sys/unix"

	"github.com/muxward/muxward/internal/hostconf/bundle"
)

func newPolicyBundleCmd() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "bundle",
		Short: "pack a directory of hosts into a signed file, and look at one",
		Long: `A bundle is a directory of hosts (muxward host init) in one file, signed by an Ed25519
key. It has a name, a serial that grows, a time at which it expires, and the hosts that it
is for. muxward host apply --bundle uses one that is whole, signed by a key of
/etc/muxward/bundle.keys, for this host, not expired, and not older than the last one.`,
		Example: `  muxward policy bundle key prod prod.key          # and prod.key.pub for the hosts
  muxward policy bundle create hosts --key prod.key --name prod --serial 7 --days 30 -o prod.bundle
  muxward policy bundle verify prod.bundle --keys bundle.keys
  sudo muxward host apply --bundle prod.bundle`,
	}
	return family(cmd, newBundleKeyCmd(), newBundleCreateCmd(), newBundleVerifyCmd())
}

func newBundleKeyCmd() *cobra.Command {
	return &cobra.Command{
		Use:   "key NAME FILE",
		Short: "make a key that bundles are signed by",
		Long: `Writes a new signing key into FILE, which must not exist, with mode 0600, and its public
half into FILE.pub. That line goes into /etc/muxward/bundle.keys of the hosts. To change
to a new key, have both there for a time.`,
		Args: exactly(2, "a name for the key, and the file to write"),
		RunE: func(cmd *cobra.Command, args []string) error {
			secret, public, err := note.GenerateKey(rand.Reader, args[0])
			if err != nil {
				return err
			}
			if _, err := note.NewVerifier(public); err != nil {
				return usageError{fmt.Errorf("%q is no name of a key: no spaces and no +", args[0])}
			}
			for _, f := range []struct {
				name, text string
				mode       fs.FileMode
			}{{args[1], secret, 0o600}, {args[1] + ".pub", public, 0o644}} {
				if err := writeNew(f.name, []byte(f.text+"\n"), f.mode); err != nil {
					return usageError{err}
				}
			}
			_, err = fmt.Fprintln(cmd.OutOrStdout(), public)
			return err
		},
	}
}

func newBundleCreateCmd() *cobra.Command {
	var key, out string
	var days int
	m := bundle.Manifest{}
	cmd := &cobra.Command{
		Use:   "create [DIR]",
		Short: "pack a directory of hosts into a bundle",
		Long: `Packs DIR (default: here) into a bundle: every file, but for those that begin with a
dot. It has to be right for every host (muxward host check).`,
		Example: `  muxward policy bundle create hosts --key prod.key --name prod --serial 7 -o prod.bundle`,
		Args:    atMostOne("one directory"),
		RunE: func(cmd *cobra.Command, args []string) error {
			secret, err := readSmall(key)
			if err != nil {
				return usageError{fmt.Errorf("--key: %w", err)}
			}
			signer, err := note.NewSigner(strings.TrimSpace(string(secret)))
			if err != nil {
				return usageError{fmt.Errorf("--key %s: this is no key that muxward policy bundle key has made", key)}
			}
			dir := dirOf(args)
			for _, name := range hostsOf(dir) {
				c := checkHost(cmd, dir, name)
				if c.Error != "" || len(c.Problems) > 0 {
					return usageError{fmt.Errorf("%s is wrong for %s: muxward host check %s says how", dir, name, shellQuote(dir))}
				}
			}
			m.Made = time.Now()
			m.Expires = m.Made.Add(time.Duration(days) * 24 * time.Hour)
			data, err := bundle.Create(dir, m, signer)
			if err != nil {
				return usageError{err}
			}
			if err := writeNew(out, data, 0o644); err != nil {
				return usageError{err}
			}
			_, err = fmt.Fprintf(cmd.OutOrStdout(), "%s: %s, serial %d, for %s, until %s\n", out, m.Name, m.Serial, strings.Join(m.Hosts, " "), m.Expires.UTC().Format(time.RFC3339))
			return err
		},
	}
	cmd.Flags().StringVar(&key, "key", "", "the `file` with the signing key")
	cmd.Flags().StringVar(&m.Name, "name", "", "what bundles of this kind are called; serials count for each `name`")
	cmd.Flags().Uint64Var(&m.Serial, "serial", 0, "its `number`, larger than that of the one before")
	cmd.Flags().IntVar(&days, "days", 30, "for how many days it is good")
	cmd.Flags().StringSliceVar(&m.Hosts, "hosts", []string{"*"}, "`patterns` of the names of hosts that it is for")
	cmd.Flags().StringVarP(&out, "output", "o", "", "the `file` to write, which must not exist")
	for _, must := range []string{"key", "name", "serial", "output"} {
		_ = cmd.MarkFlagRequired(must)
	}
	return cmd
}

func newBundleVerifyCmd() *cobra.Command {
	var keys string
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "verify FILE",
		Short: "say what a bundle is, if it is whole and signed by a known key",
		Long: `Says what a bundle is. It is looked at as muxward host apply --bundle does, but for the
host it is for and what was used before.

Exit codes: 0 it is whole, signed by one of the keys, and good at this time; 1 it is not;
2 the command line or the file of keys is wrong.`,
		Args: exactly(1, "the file with the bundle"),
		RunE: func(cmd *cobra.Command, args []string) error {
			text, err := readSmall(keys)
			if err != nil {
				return keysError(err)
			}
			b, err := openBundle(args[0], keys, text)
			if err != nil {
				return err
			}
			if asJSON {
				err = printJSON(cmd, b)
			} else {
				_, err = fmt.Fprintf(cmd.OutOrStdout(), "name     %s\nserial   %d\nmade     %s\nexpires  %s\nhosts    %s\nkey      %s\ndigest   %s\nfiles    %d\n",
					b.Name, b.Serial, b.Made.Format(time.RFC3339), b.Expires.Format(time.RFC3339), strings.Join(b.Hosts, " "), b.Key, b.Digest, len(b.Files))
			}
			if err != nil {
				return err
			}
			return b.Timely(time.Now())
		},
	}
	cmd.Flags().StringVar(&keys, "keys", bundleKeys, "the `file` of keys that bundles may be signed by, one a line")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

// bundleKeys is where a host has the keys that bundles may be signed by.
const bundleKeys = "/etc/muxward/bundle.keys"

// maxKeys bounds a file of keys, in bytes.
const maxKeys = 1 << 16

// keysError is that of a file of keys that cannot be read.
func keysError(err error) error {
	return usageError{fmt.Errorf("the keys of bundles: %w; muxward policy bundle key makes one, and this file has a line of each .pub", err)}
}

// openBundle opens a bundle with the keys that a file has.
func openBundle(file, keyFile string, text []byte) (*bundle.Bundle, error) {
	keys, err := bundle.Keys(text)
	if err != nil {
		return nil, usageError{fmt.Errorf("%s: %w", keyFile, err)}
	}
	f, err := os.Open(file)
	if err != nil {
		return nil, usageError{err}
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, bundle.MaxSize+1))
	if err != nil {
		return nil, err
	}
	b, err := bundle.Open(data, keys)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	return b, nil
}

// readSmall reads a file of keys.
func readSmall(name string) ([]byte, error) {
	f, err := os.OpenFile(name, os.O_RDONLY|unix.O_NONBLOCK, 0) // a FIFO keeps nobody waiting
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxKeys+1))
	if err == nil && len(data) > maxKeys {
		err = fmt.Errorf("%s is too large for keys", filepath.Base(name))
	}
	return data, err
}
