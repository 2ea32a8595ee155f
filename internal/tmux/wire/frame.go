package wire

import (
	"encoding/binary"
	"fmt"
	"strings"
)

const (
	// HeaderSize is the size of a message's header in both framings.
	HeaderSize = 16
	// MaxMessage is the most a message may measure, header included.
	MaxMessage = 16384
	// MaxPayload is the most data one message carries.
	MaxPayload = MaxMessage - HeaderSize
	// MaxChunk is the most file data one [Read] or [Write] carries.
	MaxChunk = MaxPayload - 4
	// Protocol is the version both ends put in the low byte of peerid.
	Protocol = 8

	// noPID is what tmux itself puts into the header's pid.
	noPID = 0xffffffff
)

// Framing tells how a header marks a descriptor.
type Framing uint8

const (
	// Unknown means that no descriptor has been seen yet.
	Unknown Framing = iota
	// Legacy is tmux 3.2 to 3.5: u16 length, u16 flags, bit 0 of the flags.
	Legacy
	// Wide is tmux 3.6 and newer: u32 length, its top bit.
	Wide
)

// String names the framing.
func (f Framing) String() string {
	switch f {
	case Legacy:
		return "legacy"
	case Wide:
		return "wide"
	}
	return "unknown"
}

// FramingOf returns the framing of a tmux version as `tmux -V` and the format
// #{version} print it: "3.3a", "tmux 3.6b", "next-3.8".
func FramingOf(version string) (Framing, error) {
	v := strings.TrimPrefix(strings.TrimSpace(version), "tmux ")
	v = strings.TrimPrefix(v, "next-")
	if v == "master" {
		return Wide, nil
	}
	var a, b int
	if n, _ := fmt.Sscanf(v, "%d.%d", &a, &b); n != 2 || a < 0 || b < 0 {
		return Unknown, fmt.Errorf("tmux version %q not understood: expected something like 3.3a", version)
	}
	if a > 3 || a == 3 && b >= 6 {
		return Wide, nil
	}
	return Legacy, nil
}

// header is a decoded message header.
type header struct {
	typ     Type
	size    int // with the header
	fd      bool
	version uint8
}

// decodeHeader reads a header from b, at least HeaderSize bytes. A mark for a
// descriptor settles *f when it is still Unknown; the other mark is then an
// error.
func decodeHeader(b []byte, f *Framing) (header, error) {
	h := header{
		typ:     Type(binary.LittleEndian.Uint32(b)),
		version: b[8],
	}
	word := binary.LittleEndian.Uint32(b[4:])
	switch mark := word >> 16; {
	case mark == 0:
	case mark == 1 && *f != Wide:
		*f, h.fd = Legacy, true
	case mark == 0x8000 && *f != Legacy:
		*f, h.fd = Wide, true
	default:
		return h, refuse(ReasonFrame, h.typ, "header word %#x is neither length nor descriptor mark in %s framing", word, *f)
	}
	h.size = int(word & 0xffff)
	if h.size < HeaderSize || h.size > MaxMessage {
		return h, refuse(ReasonFrame, h.typ, "length %d is outside %d to %d", h.size, HeaderSize, MaxMessage)
	}
	return h, nil
}

// appendHeader appends a header with length zero; finishHeader sets it.
func appendHeader(b []byte, t Type) []byte {
	b = binary.LittleEndian.AppendUint32(b, uint32(t))
	b = binary.LittleEndian.AppendUint32(b, 0)
	b = binary.LittleEndian.AppendUint32(b, Protocol)
	return binary.LittleEndian.AppendUint32(b, noPID)
}

// finishHeader writes the length of the message that fills b, and the mark.
func finishHeader(b []byte, f Framing, fd bool) error {
	t := Type(binary.LittleEndian.Uint32(b))
	if len(b) > MaxMessage {
		return fmt.Errorf("%s is %d bytes, a message holds %d: shorten it", t, len(b), MaxMessage)
	}
	word := uint32(len(b))
	if fd {
		switch f {
		case Legacy:
			word |= 1 << 16
		case Wide:
			word |= 1 << 31
		default:
			return fmt.Errorf("%s carries a descriptor and the framing is not known: give the server's version to FramingOf", t)
		}
	}
	binary.LittleEndian.PutUint32(b[4:], word)
	return nil
}

// AppendMessage appends m as it goes over the socket to b. A descriptor is
// only marked here, in the given framing; [Conn.WriteMsg] sends it.
func AppendMessage(b []byte, f Framing, m Message) ([]byte, error) {
	start := len(b)
	b = appendHeader(b, m.Type())
	b, err := m.appendPayload(b)
	if err != nil {
		return b[:start], err
	}
	if err := finishHeader(b[start:], f, carries(m) != nil); err != nil {
		return b[:start], err
	}
	return b, nil
}

// carries returns the descriptor that goes with m, or nil.
func carries(m Message) *FD {
	switch m := m.(type) {
	case *IdentifyStdin:
		return m.FD
	case *IdentifyStdout:
		return m.FD
	}
	return nil
}
