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
	maxSaid          = maxEnvBytes + maxTerminfoBytes // where nothing is kept
)

// SmallHello is how much a client may say about itself before anybody is asked
// whether it is worth keeping. Nearly all say less.
const SmallHello = 12 << 10

// perEntry is what an entry of a list costs beside its text.
const perEntry = 24

// Worth says whether what a client says of itself beyond [SmallHello] is kept.
// It may wait. If it is not kept, the client is heard out all the same; an error
// ends the connection.
type Worth func(context.Context) (keep bool, err error)

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

// Size is how much memory the Hello takes, about.
func (h *Hello) Size() int {
	n := len(h.Term) + len(h.TTYName) + len(h.Cwd)
	for _, list := range [][]string{h.Env, h.Terminfo, h.Argv} {
		for _, s := range list {
			n += len(s) + perEntry
		}
	}
	return n
}

// Accept reads a client's introduction and command. On error the connection
// is closed and nothing is left open. worth is asked once, of a client that says
// much; nil keeps what every client says.
func (c *Conn) Accept(ctx context.Context, worth Worth) (*Hello, error) {
	ctx, cancel := context.WithTimeout(ctx, HandshakeTime)
	defer cancel()
	a := acceptor{hello: &Hello{}}
	c.expect = func(h header) (bool, error) { return a.expect(ctx, h, worth) }
	defer func() { c.expect = nil }()
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
	said      int
	asked     bool
	drop      bool // what it says is heard and not kept
}

// expect counts what a message will have us keep, by its header: before its data
// is waited for. It is skipped when nothing is kept.
func (a *acceptor) expect(ctx context.Context, h header, worth Worth) (skip bool, err error) {
	if !isKept(h.typ) {
		return false, nil
	}
	a.said += h.size - HeaderSize + perEntry
	if a.drop && a.said > maxSaid {
		return false, refuse(ReasonLimit, h.typ, "more than %d bytes", maxSaid)
	}
	if a.drop {
		return true, nil
	}
	if a.said <= SmallHello || a.asked || worth == nil {
		return false, nil
	}
	a.asked = true
	keep, err := worth(ctx)
	if err != nil || keep {
		return false, err
	}
	a.drop = true
	a.hello.Term, a.hello.TTYName, a.hello.Cwd, a.hello.Env, a.hello.Terminfo = "", "", "", nil, nil
	return true, nil
}

// isKept reports whether a message has a text that is kept while the client has
// not introduced itself.
func isKept(t Type) bool {
	switch t {
	case TypeIdentifyEnviron, TypeIdentifyTerminfo, TypeIdentifyTerm, TypeIdentifyTTYName, TypeIdentifyCwd:
		return true
	}
	return false
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
