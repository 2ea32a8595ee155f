package sshd

import (
	"errors"
	"fmt"
	"strings"
)

// maxLine is the longest command line that is read, in bytes.
const maxLine = 64 << 10

// words splits what `ssh host WORDS` sends as a shell would split it: blanks
// separate, and backslash, single and double quotes take away the meaning of what
// they quote. Whatever else means something to a shell is refused by name, since
// there is no shell here that could mean it.
func words(line string) ([]string, error) {
	if len(line) > maxLine {
		return nil, fmt.Errorf("the command line has more than %d bytes", maxLine)
	}
	var s splitter
	for i := 0; i < len(line); {
		n, err := s.take(line[i:])
		if err != nil {
			return nil, err
		}
		i += n
	}
	s.end()
	return s.all, nil
}

// splitter is a command line as far as it was read.
type splitter struct {
	all  []string
	word strings.Builder
	open bool // word is one, if perhaps empty
}

func (s *splitter) end() {
	if s.open {
		s.all = append(s.all, s.word.String())
	}
	s.word.Reset()
	s.open = false
}

// take reads what rest begins with, and says how long that was.
func (s *splitter) take(rest string) (int, error) {
	switch c := rest[0]; {
	case c == 0:
		return 0, errors.New("a NUL byte in the command line")
	case c == ' ' || c == '\t':
		s.end()
		return 1, nil
	case c == '\'':
		end := strings.IndexByte(rest[1:], '\'')
		if end < 0 {
			return 0, errors.New("a single quote that is not closed")
		}
		return s.add(rest[1:1+end], end+2)
	case c == '"':
		return s.double(rest)
	case c == '\\':
		if len(rest) < 2 || rest[1] == '\n' {
			return 0, errors.New("a backslash with nothing behind it")
		}
		return s.add(rest[1:2], 2)
	case c == '\n' || c == '\r':
		return 0, errors.New("more than one line; give one command, or several of tmux with \\; between them")
	case strings.IndexByte(";&|<>()$`*?[", c) >= 0, !s.open && strings.IndexByte("#~", c) >= 0:
		return 0, fmt.Errorf("no shell runs here, so an unquoted %c means nothing; quote it, as '%c'", c, c)
	}
	return s.add(rest[:1], 1)
}

// add adds to the word what is as long as n in the line.
func (s *splitter) add(text string, n int) (int, error) {
	if strings.IndexByte(text, 0) >= 0 {
		return 0, errors.New("a NUL byte in the command line")
	}
	s.open = true
	s.word.WriteString(text)
	return n, nil
}

// double reads a part in double quotes.
func (s *splitter) double(rest string) (int, error) {
	s.open = true
	for i := 1; i < len(rest); i++ {
		switch c := rest[i]; c {
		case '"':
			return i + 1, nil
		case '$', '`':
			return 0, fmt.Errorf("no shell runs here, so %c means nothing in double quotes; use single quotes", c)
		case 0:
			return 0, errors.New("a NUL byte in the command line")
		case '\\':
			if i+1 < len(rest) && rest[i+1] == '\n' {
				return 0, errors.New("a backslash at the end of a line, in double quotes")
			}
			if i+1 < len(rest) && strings.IndexByte("\\\"$`", rest[i+1]) >= 0 {
				i++
			}
			s.word.WriteByte(rest[i])
		default:
			s.word.WriteByte(c)
		}
	}
	return 0, errors.New("a double quote that is not closed")
}

// ReadCommand reads what `ssh host WORDS` sends, as the door does, for those who come by
// another sshd: a tmux command, and -C or -CC if that is to be in control mode. A code is
// not used there. What is refused is logged as [Hushed] gives it.
func ReadCommand(line string) (argv []string, mode string, err error) {
	c, err := readCommand(line)
	if _, coming := joins(c.argv); err == nil && (coming || joinsLater(c.argv)) {
		err = errJoinElsewhere
	}
	return c.argv, c.mode, err
}

// command is what a command line asks for.
type command struct {
	argv []string
	// mode is -C or -CC if it is to be in control mode, else "".
	mode string
}

// readCommand gives the tmux command of a command line: its words without a leading
// tmux, and without those flags of the tmux client that mean nothing here.
func readCommand(line string) (command, error) {
	all, err := words(line)
	if err != nil {
		return command{}, err
	}
	c := command{argv: all}
	if len(all) == 0 || all[0] != "tmux" {
		return c, nil
	}
	level := 0
	for c.argv = all[1:]; len(c.argv) > 0 && len(c.argv[0]) > 1 && c.argv[0][0] == '-'; c.argv = c.argv[1:] {
		switch flag := c.argv[0]; flag {
		case "-u", "-2":
			continue
		case "-C", "-CC":
			level += len(flag) - 1 // as with tmux, twice is -CC
			continue
		case "--":
			c.argv = c.argv[1:]
		default:
			return c, fmt.Errorf("tmux %.40s is not offered over ssh: which server and configuration is used is said by muxward", flag)
		}
		break
	}
	if level > 0 {
		c.mode = "-CC"[:min(level, 2)+1]
	}
	return c, nil
}
