package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/mod/sumdb/note"

	"github.com/muxward/muxward/internal/audit"
	"github.com/muxward/muxward/internal/privsep/holder"
)

// This file is about what the holder of a log's key knows, where muxward runs as an account: the state
// directory is the account's there, with the log and the public key in it, and what the holder has is root's.

// askHolder gives the key to verify a log with, and has it compared with what the holder of the
// key has signed last. What does not fit there is found, whatever the log itself says.
func askHolder(opt *audit.VerifyOptions, key, state string) (note.Verifier, error) {
	keys := state + "-keys"
	verifier, err := auditKey(key, state)
	if key == "" {
		verifier, err = heldVerifier(opt, keys, verifier, err)
	}
	if err != nil {
		return nil, err
	}
	of, size, root, err := holder.Last(keys)
	switch {
	case unknown(err):
		if _, own := os.Lstat(filepath.Join(state, "audit.key")); own != nil || !errors.Is(err, fs.ErrNotExist) {
			opt.Notes = append(opt.Notes, "it was not compared with what the holder of its key has signed last: "+err.Error())
		} // else muxward has the key itself
	case err != nil:
		foundBefore(opt, "it was not compared with what the holder of its key has signed last: %v", err)
	case of == "":
		opt.Notes = append(opt.Notes, "the holder of its key knows of nothing that it has signed")
	case of == verifier.Name():
		opt.Last = &audit.Signed{Size: size, Root: root}
	case key == "":
		foundBefore(opt, "what was signed last by the holder of the key is of the log %s, with %d records (%s): this is another one", audit.Escape(of), size, filepath.Join(keys, holder.LastFile))
	default:
		opt.Notes = append(opt.Notes, "it was not compared with what was signed last by the holder of the key that is here now, which is of another log: "+audit.Escape(of))
	}
	return verifier, nil
}

// heldVerifier gives the public half of the key that the holder has, where that can be read, else the
// one that lies beside the log, or why that cannot be.
func heldVerifier(opt *audit.VerifyOptions, keys string, beside note.Verifier, why error) (note.Verifier, error) {
	text, err := holder.Checkpoint(keys)
	if unknown(err) {
		return beside, why
	}
	var held note.Verifier
	if err == nil {
		held, err = audit.ParseVerifier(text)
	}
	switch {
	case err != nil:
		foundBefore(opt, "the key that its holder has cannot be read: %v", err)
		return beside, why
	case why != nil:
		foundBefore(opt, "the public key beside the log cannot be read: %v", why)
	case beside.Name() != held.Name() || beside.KeyHash() != held.KeyHash():
		foundBefore(opt, "the public key beside the log is that of %s and was put there: the holder has the one of %s", audit.Escape(beside.Name()), audit.Escape(held.Name()))
	}
	return held, nil
}

// unknown reports whether something of the holder's is not there, or not for us.
func unknown(err error) bool {
	return errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrPermission)
}

func foundBefore(opt *audit.VerifyOptions, format string, args ...any) {
	opt.Found = append(opt.Found, audit.Problem{Kind: "key", What: fmt.Sprintf(format, args...)})
}
