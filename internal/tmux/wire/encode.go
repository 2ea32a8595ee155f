package wire

import (
	"encoding/binary"
	"fmt"
	"strings"
)

// The limits of a command: tmux's own client cannot send more bytes, and no
// person sends more arguments.
const maxArgs = 1000

func appendInt(b []byte, n int32) []byte {
	return binary.LittleEndian.AppendUint32(b, uint32(n))
}

func appendString(b []byte, t Type, s string) ([]byte, error) {
	if strings.IndexByte(s, 0) >= 0 {
		return b, fmt.Errorf("%s: text contains a NUL byte, which the protocol cannot carry", t)
	}
	return append(append(b, s...), 0), nil
}

func (*Version) appendPayload(b []byte) ([]byte, error)        { return b, nil }
func (*IdentifyStdin) appendPayload(b []byte) ([]byte, error)  { return b, nil }
func (*IdentifyDone) appendPayload(b []byte) ([]byte, error)   { return b, nil }
func (*IdentifyStdout) appendPayload(b []byte) ([]byte, error) { return b, nil }
func (*Exited) appendPayload(b []byte) ([]byte, error)         { return b, nil }
func (*Exiting) appendPayload(b []byte) ([]byte, error)        { return b, nil }
func (*Ready) appendPayload(b []byte) ([]byte, error)          { return b, nil }
func (*Resize) appendPayload(b []byte) ([]byte, error)         { return b, nil }
func (*Shutdown) appendPayload(b []byte) ([]byte, error)       { return b, nil }
func (*Suspend) appendPayload(b []byte) ([]byte, error)        { return b, nil }
func (*Unlock) appendPayload(b []byte) ([]byte, error)         { return b, nil }
func (*Wakeup) appendPayload(b []byte) ([]byte, error)         { return b, nil }

// appendPath leaves an empty path out: no file has that name.
func appendPath(b []byte, t Type, path string) ([]byte, error) {
	if path == "" {
		return b, nil
	}
	return appendString(b, t, path)
}

func (m *IdentifyFlags) appendPayload(b []byte) ([]byte, error) {
	return binary.LittleEndian.AppendUint32(b, m.Flags), nil
}

func (m *IdentifyLongFlags) appendPayload(b []byte) ([]byte, error) {
	return binary.LittleEndian.AppendUint64(b, uint64(m.Flags)), nil
}

func (m *IdentifyFeatures) appendPayload(b []byte) ([]byte, error) {
	return binary.LittleEndian.AppendUint32(b, m.Features), nil
}

func (m *IdentifyClientPID) appendPayload(b []byte) ([]byte, error) {
	return appendInt(b, m.PID), nil
}

func (m *IdentifyTerm) appendPayload(b []byte) ([]byte, error) {
	return appendString(b, m.Type(), m.Term)
}

func (m *IdentifyTTYName) appendPayload(b []byte) ([]byte, error) {
	return appendString(b, m.Type(), m.Name)
}

func (m *IdentifyOldCwd) appendPayload(b []byte) ([]byte, error) {
	return appendString(b, m.Type(), m.Path)
}

func (m *IdentifyCwd) appendPayload(b []byte) ([]byte, error) {
	return appendString(b, m.Type(), m.Path)
}

func (m *IdentifyEnviron) appendPayload(b []byte) ([]byte, error) {
	return appendString(b, m.Type(), m.Var)
}

func (m *IdentifyTerminfo) appendPayload(b []byte) ([]byte, error) {
	return appendString(b, m.Type(), m.Cap)
}

func (m *Command) appendPayload(b []byte) ([]byte, error) {
	if len(m.Argv) > maxArgs {
		return b, fmt.Errorf("command has %d arguments, at most %d are allowed", len(m.Argv), maxArgs)
	}
	b = appendInt(b, int32(len(m.Argv)))
	for _, arg := range m.Argv {
		var err error
		if b, err = appendString(b, m.Type(), arg); err != nil {
			return b, err
		}
	}
	return b, nil
}

func (m *Detach) appendPayload(b []byte) ([]byte, error) {
	return appendString(b, m.Type(), m.Session)
}

func (m *DetachKill) appendPayload(b []byte) ([]byte, error) {
	return appendString(b, m.Type(), m.Session)
}

func (m *Lock) appendPayload(b []byte) ([]byte, error) {
	return appendString(b, m.Type(), m.Command)
}

func (m *Exit) appendPayload(b []byte) ([]byte, error) {
	b = appendInt(b, m.Code)
	if m.Message == "" {
		return b, nil
	}
	return appendString(b, m.Type(), m.Message)
}

func (m *Shell) appendPayload(b []byte) ([]byte, error) {
	if m.Path == "" {
		return b, nil
	}
	return appendString(b, m.Type(), m.Path)
}

func (m *Exec) appendPayload(b []byte) ([]byte, error) {
	b, err := appendString(b, m.Type(), m.Command)
	if err != nil {
		return b, err
	}
	return appendString(b, m.Type(), m.Shell)
}

func (m *Flags) appendPayload(b []byte) ([]byte, error) {
	return binary.LittleEndian.AppendUint64(b, uint64(m.Flags)), nil
}

func (m *ReadOpen) appendPayload(b []byte) ([]byte, error) {
	return appendPath(appendInt(appendInt(b, m.Stream), m.FD), m.Type(), m.Path)
}

func (m *WriteOpen) appendPayload(b []byte) ([]byte, error) {
	b = appendInt(appendInt(appendInt(b, m.Stream), m.FD), m.Flags)
	return appendPath(b, m.Type(), m.Path)
}

func (m *Read) appendPayload(b []byte) ([]byte, error) {
	return append(appendInt(b, m.Stream), m.Data...), nil
}

func (m *Write) appendPayload(b []byte) ([]byte, error) {
	return append(appendInt(b, m.Stream), m.Data...), nil
}

func (m *ReadDone) appendPayload(b []byte) ([]byte, error) {
	return appendInt(appendInt(b, m.Stream), m.Error), nil
}

func (m *WriteReady) appendPayload(b []byte) ([]byte, error) {
	return appendInt(appendInt(b, m.Stream), m.Error), nil
}

func (m *WriteClose) appendPayload(b []byte) ([]byte, error) {
	return appendInt(b, m.Stream), nil
}

func (m *ReadCancel) appendPayload(b []byte) ([]byte, error) {
	return appendInt(b, m.Stream), nil
}
