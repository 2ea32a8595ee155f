package main

import (
	"crypto/ed25519"
	"crypto/rand"
	"encoding/binary"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/crypto/ssh"

	"github.com/muxward/muxward/internal/identity"
)

// longest is how long a certificate is valid at most that we sign.
const longest = 366 * 24 * time.Hour

// newSSHCACmd makes `muxward ssh-ca`: an authority for the ssh door, for those who
// have none.
func newSSHCACmd() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "ssh-ca",
		Short: "keep an authority for certificates of the ssh door",
		Long: `Make an authority and sign people's keys with it, for a while each. The private
half belongs on another machine than muxward: whoever has it can be anybody. What
ssh-keygen -s signs is as good.`,
		Example: `  muxward ssh-ca new ca              # writes ca and ca.pub
  cat ca.pub >> authorities          # the file that ssh: authorities: names
  muxward ssh-ca sign --ca ca --as bob --for 8h bob.pub`,
	}
	return family(cmd, newSSHCANewCmd(), newSSHCASignCmd())
}

func newSSHCANewCmd() *cobra.Command {
	return &cobra.Command{
		Use:   "new FILE",
		Short: "make an authority: FILE and FILE.pub",
		Args:  exactly(1, "the file to write"),
		RunE: func(cmd *cobra.Command, args []string) error {
			_, key, err := ed25519.GenerateKey(rand.Reader)
			if err != nil {
				return err
			}
			block, err := ssh.MarshalPrivateKey(key, "muxward authority")
			if err != nil {
				return err
			}
			signer, err := ssh.NewSignerFromKey(key)
			if err != nil {
				return err
			}
			if err := writeNew(args[0], pem.EncodeToMemory(block), 0o600); err != nil {
				return err
			}
			if err := writeNew(args[0]+".pub", ssh.MarshalAuthorizedKey(signer.PublicKey()), 0o644); err != nil {
				return err
			}
			_, err = fmt.Fprintf(cmd.OutOrStdout(), "authority %s\n", ssh.FingerprintSHA256(signer.PublicKey()))
			return err
		},
	}
}

// writeNew writes a file that must not be there.
func writeNew(path string, data []byte, mode os.FileMode) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
	if errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("there is a %s already, and nothing is written over it: name another, or move that one", path)
	}
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	return errors.Join(err, f.Close())
}

func newSSHCASignCmd() *cobra.Command {
	var ca, as, from string
	var valid time.Duration
	cmd := &cobra.Command{
		Use:   "sign KEY.pub",
		Short: "sign a person's public key: KEY-cert.pub",
		Args:  exactly(1, "one public key"),
		RunE: func(cmd *cobra.Command, args []string) error {
			path, is := strings.CutSuffix(args[0], ".pub")
			switch {
			case !is:
				return usageError{fmt.Errorf("%s is not called .pub; only public keys are signed", args[0])}
			case ca == "" || as == "":
				return usageError{errors.New("say with which authority (--ca FILE) and as whom (--as PERSON)")}
			case valid <= 0 || valid > longest:
				return usageError{fmt.Errorf("--for %v: give a time up to %v, such as 8h", valid, longest)}
			}
			if _, err := identity.CanonicalName(as); err != nil {
				return usageError{err}
			}
			cert, err := certificate(ca, args[0], as, from, valid)
			if err != nil {
				return err
			}
			if err := os.WriteFile(path+"-cert.pub", ssh.MarshalAuthorizedKey(cert), 0o644); err != nil {
				return err
			}
			_, err = fmt.Fprintf(cmd.OutOrStdout(), "%s-cert.pub: %s until %s, serial %d\n", path, as,
				time.Unix(int64(cert.ValidBefore), 0).Format(time.RFC3339), cert.Serial)
			return err
		},
	}
	f := cmd.Flags()
	f.StringVar(&ca, "ca", "", "the authority's private key `file`")
	f.StringVar(&as, "as", "", "the `person` that the certificate proves")
	f.StringVar(&from, "from", "", "addresses and networks it may come from, as 10.0.0.0/8,192.0.2.1")
	f.DurationVar(&valid, "for", 8*time.Hour, "how long it is valid")
	return cmd
}

// certificate signs a public key for one person.
func certificate(ca, pub, as, from string, valid time.Duration) (*ssh.Certificate, error) {
	private, err := os.ReadFile(ca)
	if err != nil {
		return nil, fmt.Errorf("the authority cannot be read: %w; muxward ssh-ca new FILE makes one", err)
	}
	authority, err := ssh.ParsePrivateKey(private)
	if err != nil {
		return nil, fmt.Errorf("the authority %s cannot be used: %w", ca, err)
	}
	line, err := os.ReadFile(pub)
	if err != nil {
		return nil, err
	}
	key, comment, _, _, err := ssh.ParseAuthorizedKey(line)
	if err != nil {
		return nil, fmt.Errorf("%s is no public key; give the .pub file that ssh-keygen has written", pub)
	}
	if _, is := key.(*ssh.Certificate); is {
		return nil, fmt.Errorf("%s is a certificate; sign the key itself", pub)
	}
	var number [8]byte
	if _, err := io.ReadFull(rand.Reader, number[:]); err != nil {
		return nil, err
	}
	now := time.Now()
	cert := &ssh.Certificate{
		Key: key, CertType: ssh.UserCert, KeyId: as + " " + comment, ValidPrincipals: []string{as},
		Serial:     binary.BigEndian.Uint64(number[:]) >> 1,
		ValidAfter: uint64(now.Add(-time.Minute).Unix()), ValidBefore: uint64(now.Add(valid).Unix()),
	}
	cert.Extensions = map[string]string{"permit-pty": ""}
	if from != "" {
		cert.CriticalOptions = map[string]string{"source-address": from}
	}
	return cert, cert.SignCert(rand.Reader, authority)
}
