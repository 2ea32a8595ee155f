package holder

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/tlog"
	"golang.org/x/sys/unix"

	"github.com/muxward/muxward/internal/teeth"
)

// LastFile has what of the log was signed last. Without it the next checkpoint is the first.
const LastFile = "audit.last"

// maxSize bounds how many records a log has. tlog counts in powers of two, and comes to no end
// near the greatest of them.
const maxSize = 1 << 48

// statement is what a checkpoint says of a log: how many records, and the root of their tree.
type statement struct {
	size uint64
	root tlog.Hash
}

// last is what was signed last, in a file that stays open: it is of one length, and written at
// once, before the signature is given away.
type last struct {
	fd     int // -1 where nothing is kept
	origin string
	began  bool // whether nothing was there
	statement
}

// openLast opens it, or begins it for a log that has another name than the one that is there.
func openLast(dir *os.File, origin string) (*last, error) {
	fd, err := unix.Openat(int(dir.Fd()), LastFile, unix.O_RDWR|unix.O_CREAT|unix.O_NOFOLLOW|unix.O_NONBLOCK|unix.O_CLOEXEC, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", LastFile, err)
	}
	l := &last{fd: fd, origin: origin}
	if err := l.read(); err != nil {
		_ = unix.Close(fd)
		return nil, fmt.Errorf("%s, which has what was signed last, is damaged: %w; try the log with muxward audit verify, and remove it then", LastFile, err)
	}
	return l, dir.Sync()
}

func (l *last) read() error {
	var st unix.Stat_t
	if err := unix.Fstat(l.fd, &st); err != nil {
		return err
	}
	if st.Mode&unix.S_IFMT != unix.S_IFREG || st.Uid != uint32(os.Geteuid()) || st.Mode&0o077 != 0 {
		return errors.New("it has to be a file of root's that nobody else may read")
	}
	buf := make([]byte, maxFile)
	n, err := unix.Pread(l.fd, buf, 0)
	if l.began = n == 0; err != nil || l.began {
		return err
	}
	origin, stated, err := parseLast(buf[:n])
	if err != nil {
		return err
	}
	if origin != l.origin { // root has put another key here: it is another log
		return unix.Ftruncate(l.fd, 0)
	}
	l.statement = stated
	return nil
}

func parseLast(data []byte) (origin string, s statement, err error) {
	size, rest, ok := strings.Cut(strings.TrimSuffix(string(data), "\n"), " ")
	hash, origin, ok2 := strings.Cut(rest, " ")
	if !ok || !ok2 || len(size) != sizeDigits || data[len(data)-1] != '\n' {
		return "", s, errors.New("it is not three words in a line")
	}
	if s.size, err = strconv.ParseUint(size, 10, 63); err != nil {
		return "", s, err
	}
	if s.size > maxSize {
		return "", s, errors.New("no log has that many records")
	}
	s.root, err = tlog.ParseHash(hash)
	return origin, s, err
}

// Last reads, from the directory of the keys, of which log a checkpoint was signed last, with how
// many records and which root. It is there for root alone; of no log is "".
func Last(dir string) (origin string, size uint64, root tlog.Hash, err error) {
	data, err := readIn(dir, LastFile)
	if err != nil || len(data) == 0 {
		return "", 0, root, err
	}
	origin, s, err := parseLast(data)
	if err != nil {
		return "", 0, root, fmt.Errorf("%s is damaged: %w", filepath.Join(dir, LastFile), err)
	}
	return origin, s.size, s.root, nil
}

// Checkpoint gives the public half of the log's key, from the directory of the keys. It is there
// for root alone.
func Checkpoint(dir string) (verifier string, err error) {
	text, err := readIn(dir, CheckpointFile)
	if err != nil {
		return "", err
	}
	k := &keys{}
	if err := k.parseCheckpoint(strings.TrimSpace(string(text))); err != nil {
		return "", fmt.Errorf("%s: %w", filepath.Join(dir, CheckpointFile), err)
	}
	return k.public.Checkpoint, nil
}

func readIn(dir, name string) ([]byte, error) {
	d, err := os.Open(dir)
	if err != nil {
		return nil, err
	}
	defer d.Close()
	return read(d, name)
}

// sizeDigits is how many digits a size has in the file, so that it stays of one length.
const sizeDigits = 20

// goesOn gives why a statement is not of the same log as the last, with nothing taken away or
// changed: the proof is that of RFC 6962 (2.1.2), so neither the records nor more of the tree
// than this is needed here.
func (l *last) goesOn(s statement, proof []tlog.Hash) error {
	switch {
	case l.size == 0:
		return nil
	case s.size < l.size:
		return errors.New("it has fewer")
	case teeth.Out(teeth.GoesOn):
		return nil
	}
	return tlog.CheckTree(proof, int64(s.size), s.root, int64(l.size), l.root)
}

// keep takes a statement on, or refuses one of which nobody has proved that it goes on from the last.
func (l *last) keep(s statement, proof []tlog.Hash) error {
	if err := l.goesOn(s, proof); err != nil {
		return fmt.Errorf("%d records of this log were signed, and these %d are not what they have become (%w): records were changed or lost, "+
			"or more were signed than the log ever had, by whoever had taken muxward over, or %s was changed. Try the log with muxward audit verify. If it is to begin anew, move the log away, keep it, and remove %s beside its key",
			l.size, s.size, err, LastFile, LastFile)
	}
	if s == l.statement {
		return nil
	}
	if l.fd >= 0 {
		line := fmt.Sprintf("%0*d %s %s\n", sizeDigits, s.size, s.root, l.origin)
		if n, err := unix.Pwrite(l.fd, []byte(line), 0); err != nil || n != len(line) {
			return fmt.Errorf("write down what is signed: %d bytes, %w", n, err)
		}
		if err := unix.Fdatasync(l.fd); err != nil {
			return fmt.Errorf("write down what is signed: %w", err)
		}
	}
	l.statement = s
	return nil
}

// parse reads a checkpoint's text: the log's name, the size, the root, and then words with
// their values, of which those are known that muxward writes.
func parse(text, origin string) (s statement, err error) {
	lines := strings.Split(text, "\n")
	if len(lines) < 4 || lines[len(lines)-1] != "" || lines[0] != origin {
		return s, errors.New("it has no three lines, or another log's name")
	}
	if s.size, err = strconv.ParseUint(lines[1], 10, 63); err != nil || strconv.FormatUint(s.size, 10) != lines[1] || s.size > maxSize {
		return s, errors.New("its size is no number of records")
	}
	if s.root, err = tlog.ParseHash(lines[2]); err != nil {
		return s, errors.New("its root is no hash")
	}
	known := []string{"format", "time"}
	for _, line := range lines[3 : len(lines)-1] {
		word, value, _ := strings.Cut(line, " ")
		if len(known) == 0 || word != known[0] || value == "" || strings.Trim(value, "0123456789:TZ-") != "" {
			return s, fmt.Errorf("there is %.40q in it", line)
		}
		known = known[1:]
	}
	return s, nil
}
