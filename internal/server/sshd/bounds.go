//go:build !teeth_ssh

package sshd

import "strings"

// strict has the files of the door checked for who may read them.
//
// The build tag teeth_ssh takes this check and the others of this file out, for
// the control runs of test/attack.
const strict = true

// crowded reports whether one more is too many, of whatever is bounded: connections
// of a source, of a person, or that have proved nobody, and sessions.
func crowded(there, limit int) bool { return there >= limit }

// tiresome reports whether a connection has been refused too often.
func tiresome(refused int) bool { return refused >= maxRefused }

// fails reports whether failing costs anything.
const fails = true

// mayPass reports whether a variable is taken over from a client.
func mayPass(name, value string) bool {
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
	return len(term) >= 1 && len(term) <= 64 && term[0] != '.' && term[0] != '-' &&
		strings.Trim(term, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789+._-") == ""
}

// waits has what is printed wait for its way, instead of being lost where there is no
// room.
const waits = true

// cleans has text of others shown only as far as it is seen, and nothing of it obeyed.
const cleans = true

// stands reports whether a proof still holds.
func stands(err error) bool { return err == nil }
