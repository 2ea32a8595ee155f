package tmux

// eof is what a reader returns at the end of its text.
const eof = -1

// reader hands out a text byte by byte, without continued lines: a backslash
// before a line break is gone together with it, wherever it stands. Like tmux
// it reads a run of backslashes ahead, because only their number tells whether
// the last one continues the line.
type reader struct {
	text  string
	off   int
	at    int   // offset of the byte returned last
	ahead []int // offsets of the backslashes that are read ahead
	line  int   // tmux's count of lines, which decides what groups
	torn  bool  // see ungetc
}

// take reads the next byte of the text as it is.
func (r *reader) take() int {
	if r.off == len(r.text) {
		return eof
	}
	r.off++
	return int(r.text[r.off-1])
}

func (r *reader) getc() int {
	if len(r.ahead) == 0 {
		if c := r.take(); c != '\\' {
			r.at = r.off - 1
			if c == eof {
				r.at = r.off
			}
			return c
		}
		r.off--
		if c := r.run(); c != '\\' {
			return c
		}
	}
	r.at = r.ahead[0]
	r.ahead = r.ahead[1:]
	return '\\'
}

// run reads a run of backslashes ahead and returns what follows if a continued
// line leaves nothing of it, else a backslash.
func (r *reader) run() int {
	r.ahead = r.ahead[:0]
	for {
		c := r.take()
		switch {
		case c == '\\':
			r.ahead = append(r.ahead, r.off-1)
			continue
		case c == '\n' && len(r.ahead)%2 == 1:
			r.line++
			r.ahead = r.ahead[:len(r.ahead)-1]
			continue
		}
		if len(r.ahead) == 0 {
			r.at = r.off
			if c != eof {
				r.at--
			}
			return c
		}
		if c != eof {
			r.off--
		}
		return '\\'
	}
}

// ungetc gives the byte back that getc returned last.
func (r *reader) ungetc(c int) {
	if c == eof || r.off == 0 {
		return
	}
	if c == '\\' {
		// With more backslashes read ahead, it is the last of the run that is
		// read again. If a continued line stands there instead, tmux reads a
		// file and a string differently.
		if r.text[r.off-1] != '\\' {
			r.torn = true
		}
	}
	r.off--
}
