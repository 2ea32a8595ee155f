package sshd

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/muxward/muxward/internal/access"
	"github.com/muxward/muxward/internal/reach"
)

// maxWants is how much one command line is explained of: each may cost a process, and the
// look-up of a name.
const maxWants = 16

// The options of OpenSSH's programs (ssh(1), sftp(1), scp(1) of 9.2 to 10.0), as getopt(3) has
// them: a colon is behind those that have a value.
const (
	sshOptions  = "1246ab:c:e:fgi:kl:m:no:p:qstvxAB:CD:E:F:GI:J:KL:MNO:P:Q:R:S:TVw:W:XYy"
	sftpOptions = "1246AafhNpqrvCc:D:i:l:o:s:S:b:B:F:J:P:R:X:"
	scpOptions  = "12346ABCTdfOpqRrstvD:F:J:M:P:S:c:i:l:o:X:"
)

// Wanted is something that somebody would ask for besides tmux.
type Wanted struct{ w wanted }

// commandLine is one of those programs' that is read.
type commandLine struct {
	name      string
	wants     []Wanted
	subsystem bool   // -s of ssh: the command is a subsystem's name
	sftp      string // of sftp and scp
}

// Wants reads from a command line of OpenSSH's client what it would ask for besides tmux:
// -L, -W, -R, -A and -s; and of sftp and scp that they ask for sftp. What it does not know, or
// cannot tell the meaning of here, is an error: nothing is to be called permitted that was not
// looked at.
func Wants(argv []string) (out []Wanted, err error) {
	if len(argv) == 0 {
		return nil, errors.New("give a command line of ssh's")
	}
	c := commandLine{name: filepath.Base(argv[0]), sftp: sftp}
	switch c.name {
	case "ssh":
		err = c.readSSH(argv[1:])
	case "sftp":
		_, _, err = c.read(argv[1:], sftpOptions)
	case "scp":
		_, _, err = c.read(argv[1:], scpOptions)
	default:
		err = fmt.Errorf("%.40q is neither ssh, sftp nor scp", c.name)
	}
	switch {
	case err != nil:
		return nil, err
	case c.name != "ssh":
		c.wants = append(c.wants, Wanted{subsystemOf(c.sftp)})
	case len(c.wants) == 0:
		return nil, errors.New("nothing is asked for besides tmux; give -L, -W, -R, -A, or -s with a host and a name, as to ssh")
	}
	if len(c.wants) > maxWants {
		return nil, fmt.Errorf("it asks for %d things; at most %d are explained at once", len(c.wants), maxWants)
	}
	return c.wants, nil
}

func subsystemOf(name string) wanted {
	return wanted{what: "subsystem", name: name, verb: access.Subsystem, ask: reach.Ask{Kind: reach.Subsystem}}
}

// readSSH reads what is behind the word ssh. There may be options behind the host, too, up to
// the first word of the command, unless "--" was before it.
func (c *commandLine) readSSH(words []string) error {
	words, ended, err := c.read(words, sshOptions)
	if err != nil {
		return err
	}
	if len(words) > 0 { // the host
		if words = words[1:]; !ended {
			if words, _, err = c.read(words, sshOptions); err != nil {
				return err
			}
		}
	}
	switch {
	case c.subsystem && len(words) == 0:
		return errors.New("ssh -s: the subsystem is named behind the host, where a command is: ssh -s HOST sftp")
	case c.subsystem:
		c.wants = append(c.wants, Wanted{subsystemOf(strings.Join(words, " "))})
	case len(words) > 0:
		return fmt.Errorf("the command behind the host is tmux's, which is explained by itself: muxward explain -- tmux %.80s", strings.Join(words, " "))
	}
	return nil
}

// read reads options as getopt(3) does, and gives the words behind them. ended is set if "--"
// was there.
func (c *commandLine) read(words []string, known string) (rest []string, ended bool, err error) {
	for len(words) > 0 {
		word := words[0]
		if len(word) < 2 || word[0] != '-' {
			return words, false, nil
		}
		if words = words[1:]; word == "--" {
			return words, true, nil
		}
		for i := 1; i < len(word); i++ {
			letter := word[i]
			at := strings.IndexByte(known, letter)
			if at < 0 || letter == ':' {
				return nil, false, fmt.Errorf("%s %.80q: there is no option -%c that muxward knows of", c.name, word, letter)
			}
			value, has := "", at+1 < len(known) && known[at+1] == ':'
			if has {
				if value = word[i+1:]; value == "" {
					if len(words) == 0 {
						return nil, false, fmt.Errorf("%s -%c: its value is missing", c.name, letter)
					}
					value, words = words[0], words[1:]
				}
				i = len(word)
			}
			if err := c.option(letter, value); err != nil {
				return nil, false, fmt.Errorf("%s -%c: %w", c.name, letter, err)
			}
		}
	}
	return nil, false, nil
}

// option takes one option. What is not named here asks for nothing that muxward decides.
func (c *commandLine) option(letter byte, value string) error {
	switch letter {
	case 'A':
		c.wants = append(c.withoutAgent(), Wanted{wanted{what: agentRequest, verb: access.Agent, ask: reach.Ask{Kind: reach.Agent}}})
		return nil
	case 'o':
		return configured(value)
	}
	switch c.name + string(letter) {
	case "sshL", "sshW", "sshR":
		w, err := endpoint(letter, value)
		c.wants = append(c.wants, Wanted{w})
		return err
	case "ssha": // sftp has another
		c.wants = c.withoutAgent()
	case "sshs":
		c.subsystem = true
	case "sshD":
		return errors.New("it names no place yet; give -W with each that is to be reached")
	case "sshX", "sshY":
		return errors.New("X11 is forwarded for nobody")
	case "sshw":
		return errors.New("no network is tunnelled for anybody")
	case "scpO":
		return errors.New("it runs a program, which no policy permits; without -O it is sftp")
	case "scpR":
		return errors.New("it runs a program on the host that is copied from, which no policy permits")
	case "scpD", "sftpD":
		return errors.New("it runs an sftp server of its own, and no ssh")
	case "sftps":
		if strings.Contains(value, "/") {
			return errors.New("it runs a program, which no policy permits; give a subsystem's name")
		}
		c.sftp = value
	}
	return nil
}

// withoutAgent is what is asked for but for an agent: the last of -A and -a counts.
func (c *commandLine) withoutAgent() []Wanted {
	return slices.DeleteFunc(c.wants, func(w Wanted) bool { return w.w.verb == access.Agent })
}

// configured refuses options of ssh_config(5) that ask for something, or have something asked
// for: each is said by an option of its own, too.
func configured(text string) error {
	key := strings.TrimLeft(text, " \t\r\n\f=\"")
	if i := strings.IndexAny(key, " \t\r\n\f=\""); i >= 0 {
		key = key[:i]
	}
	switch strings.ToLower(key) {
	case "localforward", "remoteforward", "dynamicforward", "forwardagent", "sessiontype", "remotecommand":
		return fmt.Errorf("%.40s is explained where it is given as an option of its own: -L, -R, -W, -A or -s", key)
	case "forwardx11", "forwardx11trusted", "tunnel", "tunneldevice":
		return fmt.Errorf("%.40s asks for what nobody is permitted", key)
	}
	return nil
}

// endpoint reads the value of -L, -W or -R.
func endpoint(letter byte, value string) (w wanted, err error) {
	parts := forwardParts(value)
	if len(parts) > 4 {
		return w, fmt.Errorf("%.80q has too many parts", value)
	}
	switch letter {
	case 'L', 'W':
		to := strings.Join(parts[max(0, len(parts)-2):], ":")
		if last := parts[len(parts)-1]; strings.HasPrefix(last, "/") {
			return wanted{what: directSocket, verb: access.Forward, ask: reach.Ask{Kind: reach.Connect, Path: last}}, nil
		}
		port, errPort := strconv.ParseUint(parts[len(parts)-1], 10, 16)
		if len(parts) < 2 || errPort != nil || port == 0 || parts[len(parts)-2] == "" {
			return w, fmt.Errorf("%.80q names no host and port to connect to", to)
		}
		host := strings.Trim(parts[len(parts)-2], "[]")
		return wanted{what: directTCP, verb: access.Forward, ask: reach.Ask{Kind: reach.Connect, Host: host, Port: uint16(port)}}, nil
	case 'R':
		if strings.HasPrefix(parts[0], "/") {
			return wanted{what: forwardSocket, verb: access.Listen, ask: reach.Ask{Kind: reach.Listen, Path: parts[0]}}, nil
		}
		host, at := "localhost", parts[0]
		if len(parts) == 4 || len(parts) == 2 && !strings.HasPrefix(parts[1], "/") || len(parts) == 3 && strings.HasPrefix(parts[2], "/") { // BIND:PORT, with where it goes to or not
			host, at = strings.Trim(parts[0], "[]"), parts[1]
		}
		addr, ok := bindAddr(host)
		port, errPort := strconv.ParseUint(at, 10, 16)
		if !ok || errPort != nil {
			return w, fmt.Errorf("%.80q names no address and port to listen at", value)
		}
		return wanted{what: forwardTCP, verb: access.Listen, ask: reach.Ask{Kind: reach.Listen, Addr: addr, Port: uint16(port)}}, nil
	}
	return w, errors.New("it asks for nothing that muxward decides besides tmux; what does is -L, -W, -R, -A and -s")
}

// forwardParts splits at colons that are in no brackets.
func forwardParts(text string) (parts []string) {
	depth, from := 0, 0
	for i := range len(text) {
		switch text[i] {
		case '[':
			depth++
		case ']':
			depth--
		case ':':
			if depth == 0 {
				parts = append(parts, text[from:i])
				from = i + 1
			}
		}
	}
	return append(parts, text[from:])
}
