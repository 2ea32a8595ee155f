package audit

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

// Checkpoint is a signed statement of the log about itself: so many records,
// with this Merkle root. Kept elsewhere, it convicts whoever rewrites what was
// written before it, even with the log's own key.
//
// On disk it is a signed note: origin, size and root on a line each, then
// lines of a word and its value.
type Checkpoint struct {
	Origin string
	// Size is the number of records, and the Seq of the last of them.
	Size uint64
	Root tlog.Hash
	Time time.Time
	// Format is that of the log when the checkpoint was made.
	Format int
}

func (c Checkpoint) text() string {
	return fmt.Sprintf("%s\n%d\n%s\nformat %d\ntime %s\n", c.Origin, c.Size, c.Root, c.Format,
		c.Time.UTC().Format(time.RFC3339))
}

func (c Checkpoint) sign(signer note.Signer) ([]byte, error) {
	return note.Sign(&note.Note{Text: c.text()}, signer)
}

// OpenCheckpoint reads a signed checkpoint and checks its signature.
func OpenCheckpoint(signed []byte, key note.Verifier) (Checkpoint, error) {
	if len(signed) > maxLine {
		return Checkpoint{}, errors.New("too long for a checkpoint")
	}
	n, err := note.Open(signed, note.VerifierList(key))
	if err != nil {
		var other *note.UnverifiedNoteError
		if errors.As(err, &other) {
			return Checkpoint{}, fmt.Errorf("the checkpoint is not signed by %s", key.Name())
		}
		return Checkpoint{}, fmt.Errorf("the checkpoint is forged or damaged: %w", err)
	}
	c, err := parseCheckpoint(n.Text)
	if err == nil && c.Origin != key.Name() {
		err = fmt.Errorf("the checkpoint is of log %s, not of %s", Escape(c.Origin), key.Name())
	}
	return c, err
}

func parseCheckpoint(text string) (Checkpoint, error) {
	lines := strings.Split(strings.TrimSuffix(text, "\n"), "\n")
	if len(lines) < 3 {
		return Checkpoint{}, errors.New("the checkpoint has fewer than three lines")
	}
	size, err := strconv.ParseUint(lines[1], 10, 63)
	if err != nil || (lines[1] != "0" && lines[1][0] == '0') {
		return Checkpoint{}, errors.New("the checkpoint's size is not a number")
	}
	root, err := tlog.ParseHash(lines[2])
	if err != nil {
		return Checkpoint{}, errors.New("the checkpoint's root is not a hash")
	}
	c := Checkpoint{Origin: lines[0], Size: size, Root: root, Format: 1}
	for _, line := range lines[3:] {
		word, value, _ := strings.Cut(line, " ")
		switch word {
		case "format":
			c.Format, err = strconv.Atoi(value)
		case "time":
			c.Time, err = time.Parse(time.RFC3339, value)
		}
		if err != nil {
			return Checkpoint{}, fmt.Errorf("the checkpoint's %s is not understood", word)
		}
	}
	if c.Format < 1 || c.Format > Format {
		return c, fmt.Errorf("the log has format %d, this program knows formats up to %d: use a newer muxward", c.Format, Format)
	}
	return c, nil
}

// cutNote cuts the first signed note off data: its text, an empty line, its
// signatures; another empty line ends it in the checkpoints file. If data
// holds no whole note, the note is nil and rest is data.
func cutNote(data []byte) (signed, rest []byte) {
	gap := []byte("\n\n")
	i := bytes.Index(data, gap)
	if i < 0 {
		return nil, data
	}
	j := bytes.Index(data[i+2:], gap)
	if j < 0 {
		return nil, data
	}
	end := i + 2 + j + 1
	return data[:end], data[end+1:]
}
