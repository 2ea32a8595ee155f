package attach

// Question is one that a tmux server asks of its client's terminal, with the
// answer that muxward gives in the terminal's place. Strings are without their
// terminator in Ask.
type Question struct {
	Ask, Answer string
}

// Questions returns what a tmux server of this version asks a terminal, with
// fixed answers that add no feature: the terminal's features are those that
// muxward declared when it attached. A guest's terminal is never asked and
// never answers.
//
// Each is answered once in the life of a display. tmux takes an answer for one
// only until it has it; later, the same bytes would be keys. For the same
// reason nothing is answered that this version does not ask itself.
//
// major and minor are the version's numbers. Tried on 3.3a; the others as their sources say.
func Questions(major, minor int) []Question {
	at := func(m, n int) bool { return major > m || major == m && minor >= n }
	q := []Question{
		{"\x1b[>c", "\x1b[>0;0;0c"},
		{"\x1b[>q", "\x1bP>|muxward\x1b\\"},
	}
	if at(3, 4) {
		q = append(q,
			Question{"\x1b[c", "\x1b[?1;2c"},
			Question{"\x1b]10;?", "\x1b]10;rgb:ffff/ffff/ffff\x1b\\"},
			Question{"\x1b]11;?", "\x1b]11;rgb:0000/0000/0000\x1b\\"})
	}
	if at(3, 6) {
		q = append(q, Question{"\x1b[?996n", "\x1b[?997;1n"})
	}
	return q
}

// question reports whether seq is one that muxward answers, and answers it the
// first time. seq is without the terminator if it is a string.
func (f *Filter) question(seq []byte) bool {
	if f.have&needWide != 0 {
		return false // the person's own terminal answers
	}
	for k := range f.asks {
		if f.asks[k].Ask != string(seq) {
			continue
		}
		if bit := uint32(1) << k; f.answered&bit == 0 {
			f.answered |= bit
			f.answers = append(f.answers, f.asks[k].Answer...)
		}
		f.dropped.Questions++
		return true
	}
	return false
}
