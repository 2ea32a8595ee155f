package keeper

import (
	"bytes"
	"encoding/binary"
	"fmt"

	"golang.org/x/sys/unix"

	"github.com/muxward/muxward/internal/attach/screen"
)

// op is what a message asks for.
type op uint8

const (
	hold op = iota + 1
	mark
	release
)

// message is one packet from muxward to the keeper. Hold carries one or two
// descriptors: the terminal, and the client's connection.
type message struct {
	Op        op
	ID        uint64
	Flags     uint32
	Now, Ever screen.Marks
	Termios   unix.Termios
}

func (m *message) encode() ([]byte, error) {
	var b bytes.Buffer
	if err := binary.Write(&b, binary.LittleEndian, m); err != nil {
		return nil, fmt.Errorf("encode for the keeper: %w", err)
	}
	return b.Bytes(), nil
}

func decode(p []byte) (message, error) {
	var m message
	if len(p) != binary.Size(m) {
		return m, fmt.Errorf("keeper: a message of %d bytes", len(p))
	}
	err := binary.Read(bytes.NewReader(p), binary.LittleEndian, &m)
	return m, err
}
