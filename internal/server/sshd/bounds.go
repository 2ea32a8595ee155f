package sshd

import (
	"context"
	"strings"

	"github.com/muxward/muxward/internal/teeth"
)

// strict has the files of the door checked for who may read them.
func strict() bool { return !teeth.Out(teeth.SSH) }

// crowded reports whether one more is too many, of whatever is bounded: connections
// of a source, of a person, or that have proved nobody, and sessions.
func crowded(there, limit int) bool { return there >= limit && !teeth.Out(teeth.SSH) }

// tiresome reports whether a connection has been refused too often.
func tiresome(refused int) bool { return refused >= maxRefused && !teeth.Out(teeth.SSH) }

// fails reports whether failing costs anything.
func fails() bool { return !teeth.Out(teeth.SSH) }

// guesses reports whether wrong passwords cost anything.
func guesses() bool { return !teeth.Out(teeth.SSH) }

// mayPass reports whether a variable is taken over from a client.
func mayPass(name, value string) bool {
	if teeth.Out(teeth.SSH) {
		return true
	}
	if name != "LANG" && name != "COLORTERM" && !strings.HasPrefix(name, "LC_") {
		return false
	}
	plain := func(s string) bool {
		return strings.Trim(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789+._@:=-") == ""
	}
	return len(name) <= 32 && len(value) <= 128 && strings.Trim(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZ_") == "" && plain(value)
}

// sound reports whether a TERM is one.
func sound(term string) bool {
	return teeth.Out(teeth.SSH) || len(term) >= 1 && len(term) <= 64 && term[0] != '.' && term[0] != '-' &&
		strings.Trim(term, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789+._-") == ""
}

// waits has what is printed wait for its way, instead of being lost where there is no
// room.
func waits() bool { return !teeth.Out(teeth.SSH) }

// cleans has text of others shown only as far as it is seen, and nothing of it obeyed.
func cleans() bool { return !teeth.Out(teeth.SSH) }

// stands reports whether a proof still holds.
func stands(err error) bool { return err == nil || teeth.Out(teeth.SSH) }

// leads has a path be decided by where it leads.
func leads(asked, found string) string {
	if teeth.Out(teeth.ReachPath) {
		return asked
	}
	return found
}

// paces has what is asked for besides tmux come at a pace.
func paces() bool { return !teeth.Out(teeth.SSH) }

// lasting has what was reached end with its permit.
func lasting(ctx context.Context) context.Context {
	if teeth.Out(teeth.Reach) {
		return context.WithoutCancel(ctx)
	}
	return ctx
}
