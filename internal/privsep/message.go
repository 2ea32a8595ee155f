package privsep

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
)

// Version is that of the protocol. Both sides have to be of one release: the
// helper refuses a daemon of another version, and the daemon such a helper.
const Version = 1

// Number is the number of a message: what it is about.
type Number uint8

// Answers. Requests are in kinds.go.
const (
	NumDone   Number = 128 // a request was done
	NumFailed Number = 129 // it could not be done
	NumEvent  Number = 130 // something that nobody has asked for
)

const (
	headerLen = 5
	// MaxPacket is the longest packet: of an environment and the files of a
	// configuration there can be some.
	MaxPacket = 160 << 10
	// maxFiles is how many descriptors an answer may have.
	maxFiles = 8
)

// ErrPacket is the error of a packet that is not as it should be.
var ErrPacket = errors.New("a packet is not as it should be")

// Packet is one message: what it is, which request it is or answers (0 for an
// event), and its body in JSON.
type Packet struct {
	Number Number
	ID     uint32
	Body   []byte
}

// Pack makes a packet's bytes.
func Pack(n Number, id uint32, body any) ([]byte, error) {
	text, err := json.Marshal(body)
	if err != nil {
		return nil, fmt.Errorf("message %d: %w", n, err)
	}
	if len(text) > MaxPacket-headerLen {
		return nil, fmt.Errorf("message %d would have %d bytes, and %d are the most", n, len(text), MaxPacket-headerLen)
	}
	out := make([]byte, headerLen, headerLen+len(text))
	out[0] = byte(n)
	binary.BigEndian.PutUint32(out[1:], id)
	return append(out, text...), nil
}

// Unpack takes a packet's bytes apart. The body is not looked at.
func Unpack(data []byte) (Packet, error) {
	if len(data) < headerLen || len(data) > MaxPacket {
		return Packet{}, fmt.Errorf("%w: it has %d bytes", ErrPacket, len(data))
	}
	return Packet{Number(data[0]), binary.BigEndian.Uint32(data[1:]), data[headerLen:]}, nil
}

// Decode reads a body into a message: one object, with no field that is not
// known and nothing behind it.
func Decode(body []byte, into any) error {
	if len(body) == 0 || body[0] != '{' {
		return fmt.Errorf("%w: its body is no object", ErrPacket)
	}
	d := json.NewDecoder(bytes.NewReader(body))
	d.DisallowUnknownFields()
	if err := d.Decode(into); err != nil {
		return fmt.Errorf("%w: %w", ErrPacket, err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return fmt.Errorf("%w: there is something behind its body", ErrPacket)
	}
	return nil
}
