package tmux

import (
	"slices"
	"strings"
)

// Needs returns the verbs that the invocation needs and on which of its
// objects, without repeats. An empty result means that everybody who may
// speak to the server at all may run it.
func (inv *Invocation) Needs() []Need {
	var all []Need
	add := func(needs []Need) {
		for _, n := range needs {
			if !slices.Contains(all, n) {
				all = append(all, n)
			}
		}
	}
	add(inv.Row.Needs)
	for _, given := range inv.Flags {
		if f := inv.Row.Flag(given.Letter); f != nil {
			add(f.Needs)
		}
	}
	if inv.Row.extra != nil {
		add(inv.Row.extra(inv))
	}
	return all
}

// newSessionNeeds: making a session is spawning on the server; with -A it may
// be attaching instead, which of the two depends on what exists, so both are
// asked for.
func newSessionNeeds(inv *Invocation) []Need {
	needs := spawnNeeds(OnServer)(inv)
	if !inv.Has('A') {
		return needs
	}
	needs = append(needs, Need{Verb: verbView, On: OnSession})
	if inv.Has('D') || inv.Has('X') {
		needs = append(needs, Need{Verb: verbDetachOthers, On: OnSession})
	}
	return needs
}

// spawnNeeds asks for spawn, with the attribute "command" when the caller
// says what to run.
func spawnNeeds(on TargetRef) extraFor {
	return func(inv *Invocation) []Need {
		with := ""
		if len(inv.Args) > 0 {
			with = "command"
		}
		return []Need{{Verb: verbSpawn, On: on, With: with}}
	}
}

// unlessOthers asks for verb on the target itself unless -a (everything but
// the target) or -C (clear alerts only) is given.
func unlessOthers(verb string, on TargetRef) extraFor {
	return func(inv *Invocation) []Need {
		if inv.Has('C') {
			return nil
		}
		if inv.Has('a') {
			// The target stays, but it is named and looked at.
			return need(verbView, on)
		}
		return need(verb, on)
	}
}

// copyModeNeeds: -X commands act on the pane's shared copy mode, which
// everybody sees, and some of them copy or run a shell on the selection.
// Only a bare command name that neither copies nor pipes goes without the
// right to execute.
func copyModeNeeds(inv *Invocation) []Need {
	if !inv.Has('X') {
		return nil
	}
	needs := need(verbLayout, OnPane)
	word := ""
	if len(inv.Args) > 0 {
		word = inv.Args[0]
	}
	if strings.Contains(word, "copy") || strings.Contains(word, "append") {
		needs = append(needs, Need{Verb: verbCopy, On: OnServer})
	}
	if len(inv.Args) > 1 || strings.Contains(word, "pipe") {
		needs = append(needs, Need{Verb: verbExecute, On: OnServer})
	}
	return needs
}

// captureNeeds: without -p the text goes into a paste buffer of the server.
func captureNeeds(inv *Invocation) []Need {
	if inv.Has('p') {
		return nil
	}
	return need(verbCopy, OnServer)
}

// inputNeeds: -d and -e are about the target, or about the pane that tmux comes
// to from there, which may be any other of the window.
func inputNeeds(inv *Invocation) []Need {
	if !inv.Has('d') && !inv.Has('e') {
		return nil
	}
	if inv.Row.Name == "last-pane" || strings.ContainsFunc("lLRUD", func(c rune) bool { return inv.Has(byte(c)) }) {
		return need(verbConfigure, OnPanes)
	}
	return need(verbConfigure, OnPane)
}
