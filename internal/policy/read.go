package policy

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"
	"unicode/utf8"

	"golang.org/x/sys/unix"
)

// Limits of a policy directory. Over them it is refused: a policy that takes
// longer to read than to attack with is no policy.
const (
	maxFile     = 1 << 20
	maxTotal    = 50 << 20
	maxFiles    = 1000
	maxGrants   = 100_000
	maxPeople   = 50_000
	maxGroups   = 5_000
	maxMembers  = 500_000
	maxKeys     = 100_000
	maxPolicies = 2_000
	// loadBudget is processor time, so that a busy machine does not make a
	// good policy a bad one. The largest policies that the other limits let
	// in take about half of it, so that a slow machine takes them too.
	loadBudget = 2 * time.Second
)

const (
	peopleFile  = "people.yaml"
	grantsFile  = "grants.yaml"
	sshFile     = "ssh.yaml"
	grantsEnd   = ".grants.yaml"
	testEnd     = ".test.yaml"
	cedarEnd    = ".cedar"
	wantedFiles = "people.yaml, grants.yaml, *.grants.yaml, ssh.yaml, *.cedar and *.test.yaml"
)

// source is one file of the directory as it was read.
type source struct {
	name string
	data []byte
}

// readDir reads the files of a policy directory, and again until two readings
// agree: what is being written right now is not a policy.
func readDir(dir string, own owners, r *report) []source {
	for range 3 {
		before := listing(dir)
		var try report
		files := readOnce(dir, own, &try)
		if before == listing(dir) {
			r.list = append(r.list, try.list...)
			return files
		}
	}
	r.add(Problem{Text: fmt.Sprintf("%s changes while it is read", dir), Hint: "try again when nobody writes there"})
	return nil
}

// listing sums up the directory's files without reading them.
func listing(dir string) string {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err.Error()
	}
	var b strings.Builder
	for _, e := range entries {
		st, err := os.Stat(filepath.Join(dir, e.Name()))
		if err != nil {
			fmt.Fprintf(&b, "%q %v\n", e.Name(), err)
			continue
		}
		var ino uint64
		if sys, ok := st.Sys().(*syscall.Stat_t); ok {
			ino = sys.Ino
		}
		fmt.Fprintf(&b, "%q %d %d %v %d\n", e.Name(), ino, st.Size(), st.Mode(), st.ModTime().UnixNano())
	}
	return b.String()
}

func readOnce(dir string, own owners, r *report) []source {
	err := own.way(dir)
	if gone := (*fs.PathError)(nil); err != nil && !errors.As(err, &gone) {
		r.add(Problem{Text: "the policy directory is not believed: " + err.Error()})
		return nil
	}
	var st fs.FileInfo
	if err == nil {
		st, err = os.Stat(dir)
	}
	switch {
	case err != nil:
		r.add(Problem{Text: "cannot read the policy directory: " + plain(err), Hint: "muxward init DIR writes a starter policy"})
		return nil
	case !st.IsDir():
		r.add(Problem{Text: dir + " is no directory", Hint: "give the directory that holds people.yaml"})
		return nil
	}
	if err := own.file(st); err != nil {
		r.add(Problem{Text: dir + " " + err.Error()})
		return nil
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		r.add(Problem{Text: "cannot read the policy directory: " + plain(err)})
		return nil
	}
	var files []source
	total := 0
	for _, e := range entries {
		if !wanted(dir, e, r) {
			continue
		}
		if len(files) == maxFiles {
			r.add(Problem{Text: fmt.Sprintf("more than %d files", maxFiles)})
			return files
		}
		at := filepath.Join(dir, e.Name())
		var data []byte
		var err error                     // of this file alone
		if e.Type()&fs.ModeSymlink != 0 { // the way to dir is looked at, and this one leads elsewhere
			err = own.way(at)
		}
		if err == nil {
			data, err = readFile(at, own)
		}
		if err != nil {
			r.add(Problem{File: e.Name(), Text: plain(err)})
			continue
		}
		if total += len(data); total > maxTotal {
			r.add(Problem{File: e.Name(), Text: fmt.Sprintf("the files have more than %d MiB together", maxTotal>>20)})
			return files
		}
		files = append(files, source{name: e.Name(), data: data})
	}
	return files
}

// wanted says whether the entry is a policy file. What looks like one but
// would not be read is a problem: a forbid that nobody reads permits.
func wanted(dir string, e fs.DirEntry, r *report) bool {
	n := e.Name()
	is, like := FileName(n)
	switch {
	case strings.HasPrefix(n, "."):
		return false
	case isDir(filepath.Join(dir, n), e):
		if hidden := policyIn(filepath.Join(dir, n)); hidden != "" {
			r.add(Problem{File: n + "/" + hidden, Text: "directories inside a policy directory are not read", Hint: "move the file up, or out of the way"})
		}
		return false
	case is:
		if checkText("the file's name", n) != nil || len(n) > 128 {
			r.add(Problem{Text: fmt.Sprintf("the file name %q does not print or is too long", n)})
			return false
		}
		return true
	case like:
		hint := DidYouMean(n, []string{peopleFile, grantsFile, sshFile})
		if !strings.HasPrefix(hint, "did") {
			hint = "policy files are " + wantedFiles
		}
		r.add(Problem{File: n, Text: "is no policy file", Hint: hint})
	}
	return false
}

// FileName reports whether a file of that name in a policy directory is read, and whether the
// name looks as if it would be: with one that only looks so no policy loads.
func FileName(n string) (is, like bool) {
	switch {
	case strings.HasPrefix(n, "."):
		return false, false
	case n == peopleFile, n == grantsFile, n == sshFile, strings.HasSuffix(n, grantsEnd), strings.HasSuffix(n, testEnd), strings.HasSuffix(n, cedarEnd):
		return true, true
	}
	return false, strings.HasSuffix(n, ".yaml") || strings.HasSuffix(n, ".yml") || strings.EqualFold(filepath.Ext(n), cedarEnd)
}

func isDir(path string, e fs.DirEntry) bool {
	if e.Type()&fs.ModeSymlink == 0 {
		return e.IsDir()
	}
	st, err := os.Stat(path)
	return err == nil && st.IsDir()
}

func policyIn(dir string) string {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return ""
	}
	for _, e := range entries {
		if n := e.Name(); strings.HasSuffix(n, cedarEnd) || strings.HasSuffix(n, grantsEnd) || n == grantsFile || n == peopleFile || n == sshFile {
			return n
		}
	}
	return ""
}

// readFile reads one file of limited size. It opens without blocking, so that
// a named pipe in the directory hangs nobody.
func readFile(path string, own owners) ([]byte, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	st, err := f.Stat()
	switch {
	case err != nil:
		return nil, err
	case !st.Mode().IsRegular():
		return nil, errors.New("is no plain file")
	}
	if err := own.file(st); err != nil {
		return nil, err
	}
	if st.Size() > maxFile {
		return nil, tooLarge()
	}
	data, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err != nil {
		return nil, err
	}
	if len(data) > maxFile {
		return nil, tooLarge()
	}
	return data, nil
}

func tooLarge() error { return fmt.Errorf("has more than %d KiB; split it", maxFile>>10) }

// plain gives an I/O error without the path, which the reader knows.
func plain(err error) string {
	var pe *fs.PathError
	if errors.As(err, &pe) {
		return pe.Err.Error()
	}
	return err.Error()
}

// checkBytes refuses contents that editors show differently from what is
// there, or that were cut off. It reports whether to go on with the file.
func checkBytes(f source, r *report) bool {
	at := func(off int, text, hint string) bool {
		line := 1 + bytes.Count(f.data[:off], []byte("\n"))
		col := 1 + utf8.RuneCount(f.data[bytes.LastIndexByte(f.data[:off], '\n')+1:off])
		r.add(Problem{File: f.name, Line: line, Column: col, Text: text, Hint: hint})
		return false
	}
	if len(bytes.TrimSpace(f.data)) == 0 {
		return at(0, "the file is empty", "half-written? remove it, or write what it is for")
	}
	if bytes.HasPrefix(f.data, []byte("\xef\xbb\xbf")) {
		return at(0, "begins with a byte order mark", "save it as UTF-8 without BOM")
	}
	for i := 0; i < len(f.data); {
		c, n := utf8.DecodeRune(f.data[i:])
		switch {
		case c == utf8.RuneError && n == 1:
			return at(i, fmt.Sprintf("the byte 0x%02x is not UTF-8", f.data[i]), "save it as UTF-8")
		case c == '\r':
			return at(i, "a carriage return", "save it with plain line ends (LF)")
		case c < ' ' && c != '\n' && c != '\t', c == 0x7f, c >= 0x80 && c < 0xa0, c == 0x2028, c == 0x2029, c >= 0x202a && c <= 0x202e, c >= 0x2066 && c <= 0x2069, c == 0xfeff:
			return at(i, fmt.Sprintf("the character %U does not print or turns the text around", c), "remove it")
		}
		i += n
	}
	if f.data[len(f.data)-1] != '\n' {
		return at(len(f.data), "the last line has no end", "half-written? end the file with a newline")
	}
	return true
}

// Digest sums up the policy files of a directory: two equal digests hold the
// same policy, and are of files that an [Engine] believes. It is for noticing changes; it does not check the files.
func Digest(dir string) string { return digestAs(dir, inUse()) }

// DigestNow is [Digest] of a directory as this Engine would read it.
func (e *Engine) DigestNow(dir string) string { return digestAs(dir, e.own) }

func digestAs(dir string, own owners) string {
	var r report
	files := readDir(dir, own, &r)
	return digestOf(files, r.list)
}

// digestOf is Digest of what was read. What could not be read counts too: it may be
// readable next time.
func digestOf(files []source, unread []Problem) string {
	h := sha256.New()
	for _, f := range files {
		fmt.Fprintf(h, "%q %d\n", f.name, len(f.data))
		h.Write(f.data)
	}
	for _, p := range unread {
		fmt.Fprintf(h, "%q\n", p.Error())
	}
	return hex.EncodeToString(h.Sum(nil))
}

// budget counts the processor time of one load. The caller holds the thread.
type budget struct {
	spent func() time.Duration
	over  bool
}

func newBudget() *budget {
	begin := threadTime()
	return &budget{spent: func() time.Duration { return threadTime() - begin }}
}

// left reports whether there is time left, and the first time there is none
// says so at the place given.
func (b *budget) left(r *report, file string, line int) bool {
	if !b.over && b.spent() > loadBudget {
		b.over = true
		r.add(Problem{File: file, Line: line, Column: 1, Text: fmt.Sprintf("the policy takes more than %s to read up to here", loadBudget), Hint: "fewer or simpler policies"})
	}
	return !b.over
}

// threadTime is the processor time of the calling thread; 0 if the kernel
// does not tell.
func threadTime() time.Duration {
	var ru unix.Rusage
	if unix.Getrusage(unix.RUSAGE_THREAD, &ru) != nil {
		return 0
	}
	return time.Duration(ru.Utime.Nano() + ru.Stime.Nano())
}
