package wire

import (
	"bytes"
	"encoding/binary"
)

// Side is which end of a connection we are.
type Side uint8

const (
	// ServerSide reads what clients send.
	ServerSide Side = iota + 1
	// ClientSide reads what servers send.
	ClientSide
)

// Parse makes a message of a payload that arrived at the given side. It is
// strict: the exact size, terminated strings without NUL inside, as many
// arguments as announced. The Data of [Read] and [Write] aliases p, everything
// else is copied. Descriptors are not its business.
func Parse(side Side, t Type, p []byte) (Message, error) {
	m, err := parse(side, t, payload{t: t, b: p})
	if err != nil {
		return nil, err
	}
	return m, nil
}

func parse(side Side, t Type, p payload) (Message, error) {
	if t == TypeVersion {
		return parsed(&Version{}, p.end())
	}
	switch {
	case side == ServerSide && t >= TypeIdentifyFlags && t <= TypeIdentifyTerminfo:
		return parseIdentify(p)
	case side == ServerSide:
		return parseFromClient(p)
	case side == ClientSide && t >= TypeReadOpen:
		return parseFile(p)
	case side == ClientSide:
		return parseFromServer(p)
	}
	return nil, refuse(ReasonType, t, "no side given")
}

func parseIdentify(p payload) (Message, error) {
	switch p.t {
	case TypeIdentifyFlags:
		n := p.uint32()
		return parsed(&IdentifyFlags{Flags: n}, p.end())
	case TypeIdentifyLongFlags:
		n := p.uint64()
		return parsed(&IdentifyLongFlags{Flags: ClientFlags(n)}, p.end())
	case TypeIdentifyFeatures:
		n := p.uint32()
		return parsed(&IdentifyFeatures{Features: n}, p.end())
	case TypeIdentifyClientPID:
		n := p.int32()
		return parsed(&IdentifyClientPID{PID: n}, p.end())
	case TypeIdentifyStdin:
		return parsed(&IdentifyStdin{}, p.end())
	case TypeIdentifyStdout:
		return parsed(&IdentifyStdout{}, p.end())
	case TypeIdentifyDone:
		return parsed(&IdentifyDone{}, p.end())
	}
	s := p.string()
	switch p.t {
	case TypeIdentifyTerm:
		return parsed(&IdentifyTerm{Term: s}, p.end())
	case TypeIdentifyTTYName:
		return parsed(&IdentifyTTYName{Name: s}, p.end())
	case TypeIdentifyOldCwd:
		return parsed(&IdentifyOldCwd{Path: s}, p.end())
	case TypeIdentifyCwd:
		return parsed(&IdentifyCwd{Path: s}, p.end())
	case TypeIdentifyEnviron:
		return parsed(&IdentifyEnviron{Var: s}, p.end())
	}
	return parsed(&IdentifyTerminfo{Cap: s}, p.end())
}

func parseFromClient(p payload) (Message, error) {
	switch p.t {
	case TypeCommand:
		argv := p.argv()
		return parsed(&Command{Argv: argv}, p.end())
	case TypeExiting:
		return parsed(&Exiting{}, p.end())
	case TypeResize:
		return parsed(&Resize{}, p.end())
	case TypeShell:
		return parsed(&Shell{}, p.end())
	case TypeUnlock:
		return parsed(&Unlock{}, p.end())
	case TypeWakeup:
		return parsed(&Wakeup{}, p.end())
	case TypeRead:
		n := p.int32()
		return parsed(&Read{Stream: n, Data: p.rest()}, p.end())
	case TypeReadDone:
		n, e := p.int32(), p.int32()
		return parsed(&ReadDone{Stream: n, Error: e}, p.end())
	case TypeWriteReady:
		n, e := p.int32(), p.int32()
		return parsed(&WriteReady{Stream: n, Error: e}, p.end())
	}
	return nil, refuse(ReasonType, p.t, "a client sends no such message")
}

func parseFromServer(p payload) (Message, error) {
	switch p.t {
	case TypeDetach:
		s := p.string()
		return parsed(&Detach{Session: s}, p.end())
	case TypeDetachKill:
		s := p.string()
		return parsed(&DetachKill{Session: s}, p.end())
	case TypeExit:
		return parseExit(p)
	case TypeExited:
		return parsed(&Exited{}, p.end())
	case TypeLock:
		s := p.string()
		return parsed(&Lock{Command: s}, p.end())
	case TypeReady:
		return parsed(&Ready{}, p.end())
	case TypeShell:
		s := p.string()
		if s == "" {
			p.fail("it names no shell")
		}
		return parsed(&Shell{Path: s}, p.end())
	case TypeShutdown:
		return parsed(&Shutdown{}, p.end())
	case TypeSuspend:
		return parsed(&Suspend{}, p.end())
	case TypeExec:
		c, s := p.string(), p.string()
		return parsed(&Exec{Command: c, Shell: s}, p.end())
	case TypeFlags:
		n := p.uint64()
		return parsed(&Flags{Flags: ClientFlags(n)}, p.end())
	}
	return nil, refuse(ReasonType, p.t, "a server sends no such message")
}

func parseExit(p payload) (Message, error) {
	m := &Exit{}
	if len(p.b) > 0 { // an empty one leaves the code at 0
		m.Code = p.int32()
	}
	if len(p.b) > 0 {
		m.Message = p.string()
	}
	return parsed(m, p.end())
}

func parseFile(p payload) (Message, error) {
	n := p.int32()
	switch p.t {
	case TypeReadOpen:
		fd := p.int32()
		return parsed(&ReadOpen{Stream: n, FD: fd, Path: p.path()}, p.end())
	case TypeWriteOpen:
		fd, flags := p.int32(), p.int32()
		return parsed(&WriteOpen{Stream: n, FD: fd, Flags: flags, Path: p.path()}, p.end())
	case TypeWrite:
		return parsed(&Write{Stream: n, Data: p.rest()}, p.end())
	case TypeWriteClose:
		return parsed(&WriteClose{Stream: n}, p.end())
	case TypeReadCancel:
		return parsed(&ReadCancel{Stream: n}, p.end())
	}
	return nil, refuse(ReasonType, p.t, "a server sends no such message")
}

// parsed keeps a message from coming out together with an error.
func parsed(m Message, err error) (Message, error) {
	if err != nil {
		return nil, err
	}
	return m, nil
}

// payload is read from the front; the first error sticks and is told by end.
type payload struct {
	t   Type
	b   []byte
	err error
}

func (p *payload) fail(format string, args ...any) {
	if p.err == nil {
		p.err = refuse(ReasonPayload, p.t, format, args...)
	}
	p.b = nil
}

func (p *payload) end() error {
	if p.err == nil && len(p.b) != 0 {
		p.fail("%d bytes too many", len(p.b))
	}
	return p.err
}

func (p *payload) uint32() uint32 {
	if len(p.b) < 4 {
		p.fail("too short")
		return 0
	}
	n := binary.LittleEndian.Uint32(p.b)
	p.b = p.b[4:]
	return n
}

func (p *payload) int32() int32 { return int32(p.uint32()) }

func (p *payload) uint64() uint64 {
	if len(p.b) < 8 {
		p.fail("too short")
		return 0
	}
	n := binary.LittleEndian.Uint64(p.b)
	p.b = p.b[8:]
	return n
}

func (p *payload) string() string {
	i := bytes.IndexByte(p.b, 0)
	if i < 0 {
		p.fail("text is not terminated")
		return ""
	}
	s := string(p.b[:i])
	p.b = p.b[i+1:]
	return s
}

// path is a string that may be missing, which a server's own output uses.
func (p *payload) path() string {
	if p.err == nil && len(p.b) == 0 {
		return ""
	}
	return p.string()
}

func (p *payload) rest() []byte {
	b := p.b
	p.b = nil
	return b
}

func (p *payload) argv() []string {
	n := p.int32()
	if n < 0 || n > maxArgs || int(n) > len(p.b) {
		p.fail("%d arguments announced in %d bytes, at most %d are allowed", n, len(p.b), maxArgs)
		return nil
	}
	argv := make([]string, 0, n)
	for range n {
		argv = append(argv, p.string())
	}
	return argv
}

func leInt32(b []byte) int32 { return int32(binary.LittleEndian.Uint32(b)) }
