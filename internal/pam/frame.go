package pam

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
)

// A frame is the length of the rest (four bytes, the highest first), a number and the
// message in JSON.
const headSize = 5

// errFrame is the error of what is no frame.
var errFrame = errors.New("this is no frame")

// writeFrame writes one message in one write.
func writeFrame(w io.Writer, n number, message any) error {
	body, err := json.Marshal(message)
	if err != nil {
		return fmt.Errorf("message %d: %w", n, err)
	}
	if len(body)+1 > maxFrame {
		return fmt.Errorf("message %d has %d bytes, more than %d", n, len(body), maxFrame)
	}
	frame := binary.BigEndian.AppendUint32(make([]byte, 0, headSize+len(body)), uint32(len(body)+1))
	frame = append(append(frame, byte(n)), body...)
	defer clear(frame) // it may hold a password
	defer clear(body)
	_, err = w.Write(frame)
	return err
}

// readFrame reads one message. No more is read than it has, and nothing is held for what
// is too long.
func readFrame(r io.Reader) (number, []byte, error) {
	var head [headSize]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return 0, nil, err
	}
	size := binary.BigEndian.Uint32(head[:])
	if size < 1 || size > maxFrame {
		return 0, nil, fmt.Errorf("%w: it says that it has %d bytes", errFrame, size)
	}
	body := make([]byte, size-1)
	if _, err := io.ReadFull(r, body); err != nil {
		return 0, nil, fmt.Errorf("a frame breaks off: %w", err)
	}
	return number(head[4]), body, nil
}

// expect reads a message of one kind.
func expect(r io.Reader, n number, message any) error {
	got, body, err := readFrame(r)
	if err != nil {
		return err
	}
	defer clear(body)
	if got != n {
		return fmt.Errorf("%w: message %d came in the place of %d", errFrame, got, n)
	}
	return decode(n, body, message)
}

// decode reads a message that has what it may have and nothing else.
func decode(n number, body []byte, message any) error {
	d := json.NewDecoder(bytes.NewReader(body))
	if n != numHello { // which later versions may say more in
		d.DisallowUnknownFields()
	}
	if err := d.Decode(message); err != nil {
		return fmt.Errorf("%w: message %d: %w", errFrame, n, err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return fmt.Errorf("%w: message %d has more behind it", errFrame, n)
	}
	return nil
}
