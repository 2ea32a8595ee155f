package tmux

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// maxTarget is the longest target that is looked at, in bytes: longer than any
// name tmux could hold that fits into one message.
const maxTarget = 4096

// SplitOwner cuts a target of the form owner/target, the way other people's
// sessions are named at a door: "bob/work:1.0", "bob/%3". If the part before
// the first slash names an owner, as isOwner says, the rest is a target on that
// owner's server; else the whole is a target on one's own, whose session names
// may hold slashes too.
//
// ok is false for what can be neither: an owner's name followed by nothing or
// by another slash-separated owner (host/owner/name comes with the fleet), a
// target that is too long, not UTF-8, or holds control or direction-changing
// characters. Nothing is decoded or cleaned: no %2f, no dot-dot, no folding of
// case.
func SplitOwner(target string, isOwner func(string) bool) (owner, rest string, ok bool) {
	if !fitTarget(target) {
		return "", "", false
	}
	// An exact match mark belongs to the session name, not to the owner.
	head, tail, slash := strings.Cut(target, "/")
	if !slash || !ownerShaped(head) || !isOwner(head) {
		return "", target, true
	}
	if tail == "" {
		return "", "", false
	}
	if next, _, more := strings.Cut(tail, "/"); more && ownerShaped(next) && isOwner(next) {
		return "", "", false
	}
	return head, tail, true
}

// JoinOwner writes a name or id on another owner's server in the form that
// [SplitOwner] reads.
func JoinOwner(owner, target string) string { return owner + "/" + target }

// ownerShaped reports whether s could be the name of an owner at all: what may
// start a target otherwise (ids, marks, patterns) may not.
func ownerShaped(s string) bool {
	if s == "" || s == "." || s == ".." || len(s) > 255 {
		return false
	}
	return !strings.ContainsAny(s, "$@%=:{}~!+*?[]\\ \t") && s[0] != '-' && s[0] != '.'
}

func fitTarget(s string) bool {
	if len(s) > maxTarget || !utf8.ValidString(s) {
		return false
	}
	for _, c := range s {
		if unicode.IsControl(c) || unicode.Is(unicode.Bidi_Control, c) {
			return false
		}
	}
	return true
}
