package bundle

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/mod/sumdb/note"

	"github.com/muxward/muxward/internal/teeth"
)

// Errors that callers tell apart.
var (
	// ErrForm is the error of what is no bundle.
	ErrForm = errors.New("this is no bundle of muxward, or it was cut off")
	// ErrUnsigned is that of a bundle that no known key has signed, or that was changed.
	ErrUnsigned = errors.New("it is not signed by a key that is known here, or was changed after that")
	// ErrTampered is that of one whose files are not those that were signed.
	ErrTampered = errors.New("its files are not those that were signed")
	// ErrExpired, ErrOlder, ErrHost and ErrClock are of bundles that are whole, and may not
	// be used here or now.
	ErrExpired = errors.New("it has expired: have a newer one made")
	ErrOlder   = errors.New("it is older than what was used here before")
	ErrHost    = errors.New("it is for other hosts")
	ErrClock   = errors.New("this host's clock is wrong, or that where it was made")
)

// stops is the error of a check, unless that is taken out.
func stops(err error) error {
	if teeth.Out(teeth.Bundle) {
		return nil
	}
	return err
}

// Open reads a bundle. Until its signature is found to be of one of the keys, nothing of it
// is believed.
func Open(data []byte, keys note.Verifiers) (*Bundle, error) {
	if len(data) > MaxSize {
		return nil, fmt.Errorf("%w: it is larger than %d bytes", ErrForm, MaxSize)
	}
	rest, ok := bytes.CutPrefix(data, []byte(magic))
	if !ok {
		return nil, ErrForm
	}
	line, rest, ok := bytes.Cut(rest, []byte("\n"))
	n, err := strconv.Atoi(string(line))
	if !ok || err != nil || strconv.Itoa(n) != string(line) || n < 0 || n > maxManifest || n > len(rest) {
		return nil, ErrForm
	}
	signed, contents := rest[:n], rest[n:]
	msg, err := note.Open(signed, keys)
	if err != nil {
		var unverified *note.UnverifiedNoteError
		if stop := stops(fmt.Errorf("%w (%w)", ErrUnsigned, err)); stop != nil || !errors.As(err, &unverified) {
			return nil, fmt.Errorf("%w (%w)", ErrUnsigned, err)
		}
		msg = unverified.Note
	}
	b := &Bundle{}
	if len(msg.Sigs) > 0 {
		b.Key = fmt.Sprintf("%s+%08x", msg.Sigs[0].Name, msg.Sigs[0].Hash)
	}
	if err := b.parse(msg.Text); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrForm, err)
	}
	sum := sha256.Sum256([]byte(msg.Text))
	b.Digest = hex.EncodeToString(sum[:])
	return b, b.fill(contents)
}

// fill takes the files' contents, which have to be those that were signed, and nothing more.
func (b *Bundle) fill(contents []byte) error {
	for _, f := range b.Files {
		if f.Size > len(contents) {
			return fmt.Errorf("%w: %s is cut off", ErrTampered, f.Path)
		}
		data := contents[:f.Size]
		contents = contents[f.Size:]
		if sum := sha256.Sum256(data); hex.EncodeToString(sum[:]) != f.Sum {
			if err := stops(fmt.Errorf("%w: %s", ErrTampered, f.Path)); err != nil {
				return err
			}
		}
		b.contents = append(b.contents, data)
	}
	if len(contents) > 0 {
		return fmt.Errorf("%w: there is more behind the last one", ErrTampered)
	}
	return nil
}

// parse reads a manifest. What is read has to give the very same text again.
func (b *Bundle) parse(text string) error {
	lines := strings.Split(text, "\n")
	if len(lines) < 8 || lines[0] != title {
		return errors.New("the manifest is of another form")
	}
	fields := map[string]string{}
	for i, key := range []string{"name", "serial", "made", "expires", "hosts"} {
		value, ok := strings.CutPrefix(lines[i+1], key+": ")
		if !ok {
			return fmt.Errorf("the manifest has no %s in line %d", key, i+2)
		}
		fields[key] = value
	}
	var errs [3]error
	b.Name, b.Hosts = fields["name"], strings.Fields(fields["hosts"])
	b.Serial, errs[0] = strconv.ParseUint(fields["serial"], 10, 64)
	b.Made, errs[1] = time.Parse(time.RFC3339, fields["made"])
	b.Expires, errs[2] = time.Parse(time.RFC3339, fields["expires"])
	if err := errors.Join(errs[:]...); err != nil {
		return err
	}
	for _, line := range lines[6 : len(lines)-1] {
		parts := strings.Split(line, " ")
		if len(parts) != 4 || parts[0] != "file:" || len(b.Files) >= maxFiles {
			return errors.New("the manifest has lines of another form")
		}
		size, err := strconv.Atoi(parts[2])
		if err != nil {
			return err
		}
		b.Files = append(b.Files, File{parts[3], parts[1], size})
	}
	if err := b.check(); err != nil {
		return err
	}
	if b.text() != text {
		return errors.New("the manifest could be written otherwise")
	}
	return nil
}

// Seen is what was used on a host before, of one name.
type Seen struct {
	Serial uint64    `json:"serial"`
	Digest string    `json:"digest"`
	Made   time.Time `json:"made"`
}

// skew is how far clocks may be apart.
const skew = 5 * time.Minute

// Admit says whether a bundle may be used on a host at a time: nil, or why not. seen is zero
// if none was used before. The last one may be used again.
func (b *Bundle) Admit(host string, now time.Time, seen Seen) error {
	return stops(b.admit(host, now, seen))
}

func (b *Bundle) admit(host string, now time.Time, seen Seen) error {
	forUs := slices.ContainsFunc(b.Hosts, func(p string) bool { ok, err := path.Match(p, host); return err == nil && ok })
	switch {
	case !forUs:
		return fmt.Errorf("%w (%s), and this is %s", ErrHost, strings.Join(b.Hosts, " "), host)
	case now.Add(skew).Before(seen.Made):
		return fmt.Errorf("%w: what was used here before was made at %s, and now it is %s", ErrClock, stamp(seen.Made), stamp(now))
	}
	if err := b.Timely(now); err != nil {
		return err
	}
	return b.Newer(seen)
}

// Timely says whether a bundle is good at a time.
func (b *Bundle) Timely(now time.Time) error {
	switch {
	case now.Add(skew).Before(b.Made):
		return fmt.Errorf("%w: it was made at %s, and here it is %s", ErrClock, stamp(b.Made), stamp(now))
	case !now.Before(b.Expires):
		return fmt.Errorf("%w (it expired at %s)", ErrExpired, stamp(b.Expires))
	}
	return nil
}

// Newer says whether a bundle is not older than what was seen.
func (b *Bundle) Newer(seen Seen) error {
	switch {
	case b.Serial < seen.Serial:
		return fmt.Errorf("%w: its serial is %d, and %d was used", ErrOlder, b.Serial, seen.Serial)
	case b.Serial == seen.Serial && b.Digest != seen.Digest:
		return fmt.Errorf("%w: another bundle with the serial %d was used", ErrOlder, b.Serial)
	}
	return nil
}

// After is what was seen once a bundle is used: no serial goes down.
func (b *Bundle) After(seen Seen) Seen {
	if b.Serial < seen.Serial {
		return seen
	}
	return Seen{Serial: b.Serial, Digest: b.Digest, Made: later(b.Made, seen.Made)}
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339) }

// Keys reads verifier keys, one a line; blank lines and comments (#) are left out.
func Keys(data []byte) (note.Verifiers, error) {
	var out []note.Verifier
	for line := range strings.Lines(string(data)) {
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' {
			continue
		}
		v, err := note.NewVerifier(line)
		if err != nil {
			return nil, fmt.Errorf("%.40q is no key: they look like NAME+12345678+base64: %w", line, err)
		}
		out = append(out, v)
	}
	if len(out) == 0 {
		return nil, errors.New("there is no key in it")
	}
	return note.VerifierList(out...), nil
}
