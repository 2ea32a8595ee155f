package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/muxward/muxward/internal/config"
	"github.com/muxward/muxward/internal/hostconf/hostfile"
	"github.com/muxward/muxward/internal/hostconf/proof"
	"github.com/muxward/muxward/internal/identity"
	"github.com/muxward/muxward/internal/sockets"
	"github.com/muxward/muxward/internal/tmux"
)

// errProof ends a verify that has found something that does not hold.
var errProof = errors.New("something does not hold: what is marked BAD")

// verifyTime is how long all of it may take.
const verifyTime = 2 * time.Minute

// verifyFlags are those of what tries a host.
type verifyFlags struct {
	hostFlags
	as    []string
	state string
	key   string
}

func (f *verifyFlags) addVerify(cmd *cobra.Command) {
	cmd.Flags().StringArrayVar(&f.as, "as", nil, "open and end a session as this `account`; as root any, else one's own")
	cmd.Flags().StringVar(&f.key, "key", "", "private key `file` of somebody whom the ssh door is to take")
	cmd.Flags().StringVar(&f.state, "state", "", "state `directory` of the muxward to try (default: what DIR says, or $MUXWARD_STATE)")
}

func newHostVerifyCmd() *cobra.Command {
	var f verifyFlags
	cmd := &cobra.Command{
		Use:   "verify [DIR]",
		Short: "try whether this host keeps what it promises",
		Long: `Tries what the files in DIR ask for, on a muxward that serves. Without DIR it is here, if
there are any; root has to name it, and files that others may write to are refused then.
For each account of --as it opens a session through the account's door, looks where TMUX
leads in there and how tmux is set, tries the door as nobody and as the other accounts,
has nobody try the sockets of all guarded servers, and ends the session. If the account has no
tmux server yet, one begins and ends with that.

Fresh logins of it are asked for TMUX_TMPDIR, as far as the files say that they are to have
it, or without files as far as this host gives it to them: a login shell; as root also su,
su -, the host's sshd, a session that PAM opens as for cron, and a user manager (the last
two where systemd runs). They are logins as any other, and PAM logs them. Where the files
say what is to be mended of tmux's sockets, it looks whether anything is.

At the ssh door, if that is open, somebody comes with a key that is nobody's, and is to be
refused; and with the key of --key, which is to be taken. No key is made and listed for
that.

Exit codes: 0 everything that was tried holds; 1 something does not, or no muxward
serves; 2 the command line or a file is wrong; 3 nothing is broken, and not everything
could be tried.`,
		Example: `  sudo muxward host verify hosts --as alice --as bob
  sudo muxward host verify hosts --as alice --key /root/alice_key`,
		Args: atMostOne("one directory"),
		RunE: func(cmd *cobra.Command, args []string) error {
			found, err := f.maybeLoad(args)
			if err != nil {
				return err
			}
			ctx, cancel := contextFor(cmd, verifyTime)
			defer cancel()
			proofs, err := f.prove(ctx, found)
			if err != nil {
				return err
			}
			if found != nil && len(found.Host.Sockets.Mend) > 0 {
				proofs = append(proofs, provenClosed(lookAtSockets(ctx, sockets.Options{}, found.Host.Sockets.Mend)))
			}
			if f.json {
				err = printJSON(cmd, map[string]any{"schema": 1, "proofs": proofs})
			} else {
				err = printProofs(newPaint(cmd), proofs)
			}
			return proofError(err, proofs)
		},
	}
	cmd.Flags().BoolVar(&f.json, "json", false, "print JSON")
	cmd.Flags().StringVar(&f.name, "host", "", "the `name` of this host in DIR (default: what hostname says)")
	f.addVerify(cmd)
	return cmd
}

// maybeLoad reads a directory of hosts, if one is named or is here. It says which tmux runs,
// and as whom: root takes only one that is named, and that nobody else may write to.
func (f *verifyFlags) maybeLoad(args []string) (*hostfile.Found, error) {
	if len(args) == 0 && asRoot() {
		return nil, nil
	}
	dir := dirOf(args)
	if _, err := os.Stat(filepath.Join(dir, "host.yaml")); len(args) == 0 && err != nil {
		return nil, nil
	}
	name, err := nameOf(dir, f.name)
	if err != nil {
		return nil, usageError{err}
	}
	found, err := hostfile.Load(dir, name, asRoot())
	if err != nil {
		return nil, hostFileError(dir, err)
	}
	return found, nil
}

// asRoot reports whether what files say would be done with root's rights.
func asRoot() bool { return os.Geteuid() == 0 }

// stateOf is the state directory of the muxward to try.
func (f *verifyFlags) stateOf(found *hostfile.Found) (string, error) {
	state := f.state
	if state == "" && found != nil && os.Geteuid() == 0 {
		state = found.Host.Serve.State
	}
	return config.StateDir(state)
}

// prove tries the muxward that serves.
func (f *verifyFlags) prove(ctx context.Context, found *hostfile.Found) ([]proof.Proof, error) {
	state, err := f.stateOf(found)
	if err != nil {
		return nil, usageError{err}
	}
	p := proof.Proof{ID: "MW-V001", Title: "a muxward serves, and is well", Outcome: proof.Holds, Lost: "nothing is decided, and nobody comes in"}
	at, err := config.FindServing(state)
	s, up, _ := askStatus(ctx, state)
	switch {
	case err != nil:
		p.Outcome, p.Evidence = proof.Broken, []string{err.Error()}
		return []proof.Proof{p}, nil
	case !up:
		p.Outcome, p.Evidence = proof.Broken, []string{"the muxward of " + state + " does not answer"}
		return []proof.Proof{p}, nil
	case len(s.Red) > 0:
		p.Outcome, p.Evidence = proof.Broken, s.Red
	default:
		p.Evidence = []string{fmt.Sprintf("muxward %s, process %d, in %s mode", s.Version, s.PID, s.Mode)}
	}
	c := config.Config{Doors: at.Doors}
	d := proof.Doors{Doors: at.Doors, Run: c.Run(), PID: s.PID}
	if d.As, err = f.accounts(ctx); err != nil {
		return nil, usageError{err}
	}
	if d.SSH.Key = f.key; at.SSH != nil {
		d.SSH.Addr, d.SSH.HostKey = at.SSH.Addr, at.SSH.HostKey
	}
	if found != nil {
		h := found.Host
		d.Tmux, d.Clipboard, d.Passthrough = h.Serve.Tmux, string(h.Tmux.Clipboard), string(h.Tmux.Passthrough)
		d.Profile, d.PAM, d.Managers = h.Environment.Profile, h.Environment.PAM, h.Environment.Managers
	} else {
		d.Profile, d.PAM, d.Managers = sets("/etc/profile.d/muxward.sh", at.Doors), sets("/etc/environment", at.Doors), sets("/etc/environment.d/50-muxward.conf", at.Doors)
	}
	return append([]proof.Proof{p}, d.Prove(ctx)...), nil
}

// sets reports whether a file of the host's gives logins the doors.
func sets(file, doors string) bool {
	text, err := os.ReadFile(file)
	return err == nil && bytes.Contains(text, []byte("TMUX_TMPDIR="+doors+"\n"))
}

// accounts are those of --as.
func (f *verifyFlags) accounts(ctx context.Context) (out []identity.Account, err error) {
	all := identity.NewAccounts()
	for _, name := range f.as {
		a, err := all.ByName(ctx, name)
		if err != nil {
			return nil, fmt.Errorf("--as %s: %w", name, err)
		}
		if os.Geteuid() != 0 && int(a.UID) != os.Geteuid() {
			return nil, fmt.Errorf("--as %s: only root can try it as somebody else", name)
		}
		out = append(out, a)
	}
	return out, nil
}

func printProofs(p paint, proofs []proof.Proof) error {
	for _, x := range proofs {
		word := string(x.Outcome)
		switch x.Outcome {
		case proof.Holds:
			word = p.good(word)
		case proof.Broken:
			word = p.bad(word)
		default:
			word = p.dim(word)
		}
		p.printf("%s %s: %s\n", x.ID, word, tmux.OneLine(x.Title))
		for _, e := range x.Evidence {
			p.printf("    %s\n", tmux.OneLine(e))
		}
		if x.Outcome == proof.Broken && x.Lost != "" {
			p.printf("    %s %s\n", p.bad("so:"), tmux.OneLine(x.Lost))
		}
	}
	return p.err()
}

// proofError is the error of a command that has printed proofs.
func proofError(err error, proofs []proof.Proof) error {
	is := func(o proof.Outcome) bool {
		return slices.ContainsFunc(proofs, func(p proof.Proof) bool { return p.Outcome == o })
	}
	switch {
	case err != nil:
		return err
	case is(proof.Broken):
		return errProof
	case is(proof.Unknown):
		return fmt.Errorf("%w: what is unknown above was not tried", errPartial)
	}
	return nil
}
