package wire

import (
	"context"
	"strings"
	"time"
)

// HandshakeTime is how long [Conn.Accept] waits at most, whatever its context
// says. A tmux client needs a few milliseconds.
const HandshakeTime = 10 * time.Second

// What one client may say about itself.
const (
	maxEnvCount      = 4096
	maxEnvBytes      = 1 << 20
	maxTerminfoCount = 1024
	maxTerminfoBytes = 256 << 10
)

// Hello is a client's introduction and what it asks for. Everything in it is
// the client's own claim; only the socket's credentials are proof.
//
// The descriptors belong to the holder of the Hello: close it, or take them.
type Hello struct {
	Flags    ClientFlags
	Term     string // TERM; empty if it has none
	Features uint32 // -T, as tmux's bits
	TTYName  string // empty when standard input is no terminal
	Cwd      string
	Env      []string // NAME=value
	PID      int32
	Terminfo []string // NAME=value; empty when standard input is no terminal
	Stdin    *FD      // nil if none was sent
	Stdout   *FD

	// Argv is the command. Empty means the server's default command, which is
	// new-session unless configured otherwise.
	Argv []string
	// Shell means that not a command but the default shell's name is asked
	// for (tmux -c).
	Shell bool
}

// Getenv returns the value of an environment variable: the last one wins, as
// in tmux.
func (h *Hello) Getenv(name string) (string, bool) {
	for i := len(h.Env) - 1; i >= 0; i-- {
		if k, v, ok := strings.Cut(h.Env[i], "="); ok && k == name {
			return v, true
		}
	}
	return "", false
}

// Close closes the descriptors that were not taken.
func (h *Hello) Close() error {
	_ = h.Stdin.Close()
	return h.Stdout.Close()
}

// Accept reads a client's introduction and command. On error the connection
// is closed and nothing is left open.
func (c *Conn) Accept(ctx context.Context) (*Hello, error) {
	ctx, cancel := context.WithTimeout(ctx, HandshakeTime)
	defer cancel()
	a := acceptor{hello: &Hello{}}
	for {
		m, err := c.ReadMsg(ctx)
		if err == nil {
			err = a.take(m)
		}
		if err != nil {
			_ = a.hello.Close()
			return nil, c.shut(err)
		}
		if c.phase == commanded {
			c.sendAs = c.framing
			return a.hello, nil
		}
	}
}

// acceptor puts a Hello together.
type acceptor struct {
	hello     *Hello
	seen      [TypeIdentifyTerminfo - TypeIdentifyFlags + 1]bool
	longFlags ClientFlags
	env, info budget
}

// budget counts what a list holds.
type budget struct{ count, bytes int }

func (b *budget) spend(t Type, n, maxCount, maxBytes int) error {
	b.count++
	b.bytes += n
	if b.count > maxCount || b.bytes > maxBytes {
		return refuse(ReasonLimit, t, "more than %d entries or %d bytes", maxCount, maxBytes)
	}
	return nil
}

func (a *acceptor) take(m Message) error {
	h := a.hello
	switch m := m.(type) {
	case *IdentifyEnviron:
		if err := a.env.spend(m.Type(), len(m.Var), maxEnvCount, maxEnvBytes); err != nil {
			return err
		}
		h.Env = append(h.Env, m.Var)
		return nil
	case *IdentifyTerminfo:
		if err := a.info.spend(m.Type(), len(m.Cap), maxTerminfoCount, maxTerminfoBytes); err != nil {
			return err
		}
		h.Terminfo = append(h.Terminfo, m.Cap)
		return nil
	case *Command:
		h.Argv = m.Argv
		return nil
	case *Shell:
		h.Shell = true
		return nil
	}
	return a.takeOnce(m)
}

// takeOnce takes what a client says once.
func (a *acceptor) takeOnce(m Message) error {
	h, t := a.hello, m.Type()
	twice := a.seen[t-TypeIdentifyFlags]
	a.seen[t-TypeIdentifyFlags] = true
	if long, ok := m.(*IdentifyLongFlags); twice && ok && long.Flags == a.longFlags {
		return nil // tmux 3.5 and newer say it twice
	}
	switch m := m.(type) {
	case *IdentifyFlags:
		h.Flags |= ClientFlags(m.Flags)
	case *IdentifyLongFlags:
		a.longFlags = m.Flags
		h.Flags |= m.Flags
	case *IdentifyTerm:
		h.Term = m.Term
	case *IdentifyTTYName:
		h.TTYName = m.Name
	case *IdentifyCwd:
		h.Cwd = m.Path
	case *IdentifyFeatures:
		h.Features = m.Features
	case *IdentifyClientPID:
		h.PID = m.PID
	case *IdentifyStdin:
		if twice {
			_ = m.FD.Close()
			break
		}
		h.Stdin = m.FD
	case *IdentifyStdout:
		if twice {
			_ = m.FD.Close()
			break
		}
		h.Stdout = m.FD
	}
	if twice {
		return refuse(ReasonOrder, t, "it came before")
	}
	return nil
}
