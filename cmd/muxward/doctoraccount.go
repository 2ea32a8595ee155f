package main

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/muxward/muxward/internal/config"
	"github.com/muxward/muxward/internal/hostconf/proof"
)

// accountControls tell of what lets a muxward that was taken over reach further than the account it runs
// as, and of what takes its state from it. root is a tree in the place of /.
func accountControls(root string) []checkup {
	c, err := config.Load(root + setupConfig)
	if err != nil {
		return nil // there is none, or doctor's caller cannot read it; a start tells what is wrong with it
	}
	state := cmp.Or(c.State, setupState)
	if c.Account == "" {
		if root == "" && os.Geteuid() != 0 {
			return nil
		}
		c.State = root + state
		return []checkup{told("MW-V004", "the state is whose muxward runs as", "root's muxward does not begin: muxward setup --separated", rooted(c))}
	}
	return []checkup{
		told("MW-V003", "the account that muxward runs as has no home where muxward writes",
			fmt.Sprintf("who takes muxward over logs in over ssh by a key of their own, and stays: stop muxward, usermod --home /nonexistent %s, look what is in %s, and start it", c.Account, state), homeless(root, state, c.Account)),
		told("MW-V004", "systemd leaves the state to the account that muxward runs as",
			"each start takes the state away from a muxward that serves, and makes root's what the account has put there: muxward setup, then systemctl daemon-reload", untaken(root, root, state)),
	}
}

// told is a control that does not hold if there is an error.
func told(id, title, lost string, err error) checkup {
	p := proof.Proof{ID: id, Title: title, Outcome: proof.Holds, Lost: lost}
	switch {
	case errors.Is(err, fs.ErrPermission) || errors.Is(err, fs.ErrNotExist):
		p.Outcome, p.Evidence = proof.Unknown, []string{err.Error()}
	case err != nil:
		p.Outcome, p.Evidence = proof.Broken, []string{err.Error()}
	}
	return checkup{Proof: p, Part: "muxward"}
}

// homeless refuses an account with a home in the state, and what others obey of a home that is there.
func homeless(root, state, account string) error {
	a, err := accountIn(root, account)
	if err != nil {
		return err
	}
	if home := filepath.Clean(a.Home); in(home, state) {
		return fmt.Errorf("the home of %s is %s", account, home)
	}
	entries, err := os.ReadDir(root + state)
	if err != nil {
		return nil // who may not look is told by other controls
	}
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), ".") && !strings.HasPrefix(e.Name(), ".denials-") { // what we write is so named for a moment
			return fmt.Errorf("there is a %s in %s, which muxward does not make: look who has put it there", e.Name(), state)
		}
	}
	return nil
}
