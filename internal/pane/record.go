package pane

import (
	"encoding/binary"
	"os"
	"runtime"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// Where it is told who is logged in, and who was (utmp(5)). A host need not have them.
const (
	utmpPath = "/run/utmp"
	wtmpPath = "/var/log/wtmp"
)

// record is a session as those files have it.
type record struct {
	tty  string // its path
	pid  int
	user string
	host string
}

// The types of records.
const (
	userProcess = 7
	deadProcess = 8
)

// Where the parts of a record are. The last ones hang on how wide a long is there.
const (
	atPID   = 4
	atLine  = 8
	atID    = 40
	atUser  = 44
	atHost  = 76
	atWidth = 336 // behind the exit status
	lenLine = 32
	lenID   = 4
	lenUser = 32
	lenHost = 256
)

// recordSize is the size of one: x86 keeps what it was with 32 bits. Where it is not known it is
// 0: a record of another size shifts all behind it for whoever reads them.
func recordSize(arch string) int {
	switch arch {
	case "amd64":
		return 384
	case "arm64":
		return 400
	}
	return 0
}

func (r record) line() string { return strings.TrimPrefix(r.tty, "/dev/") }

// encode gives the record, of one kind.
func (r record) encode(kind uint16, now time.Time, arch string) []byte {
	b := make([]byte, recordSize(arch))
	binary.NativeEndian.PutUint16(b, kind)
	binary.NativeEndian.PutUint32(b[atPID:], uint32(r.pid))
	copy(b[atLine:atLine+lenLine], r.line())
	copy(b[atID:atID+lenID], r.line()[max(0, len(r.line())-lenID):])
	if kind == userProcess {
		copy(b[atUser:atUser+lenUser], r.user)
		copy(b[atHost:atHost+lenHost], r.host)
	}
	if arch == "amd64" {
		binary.NativeEndian.PutUint32(b[atWidth+4:], uint32(now.Unix()))
		binary.NativeEndian.PutUint32(b[atWidth+8:], uint32(now.Nanosecond()/1000))
	} else {
		binary.NativeEndian.PutUint64(b[atWidth+8:], uint64(now.Unix()))
		binary.NativeEndian.PutUint64(b[atWidth+16:], uint64(now.Nanosecond()/1000))
	}
	return b
}

// login and logout tell of a session. That it cannot be told ends none.
func (r record) login() { r.write(utmpPath, wtmpPath, userProcess) }

func (r record) logout() { r.write(utmpPath, wtmpPath, deadProcess) }

func (r record) write(utmp, wtmp string, kind uint16) {
	if recordSize(runtime.GOARCH) == 0 {
		return
	}
	b := r.encode(kind, time.Now(), runtime.GOARCH)
	r.put(utmp, b, kind)
	if f := openRecords(wtmp, unix.O_WRONLY|unix.O_APPEND); f != nil {
		defer f.Close()
		lockRecords(f)
		_, _ = f.Write(b) // a disk that is full ends no session
	}
}

// openRecords opens one of the files as long as it is one: nobody makes it here.
func openRecords(path string, flags int) *os.File {
	f, err := os.OpenFile(path, flags|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil
	}
	if st, err := f.Stat(); err != nil || !st.Mode().IsRegular() {
		_ = f.Close()
		return nil
	}
	return f
}

const (
	lockTries = 20
	lockPause = 50 * time.Millisecond
)

// lockRecords keeps others from writing, as they do us. Whoever may read the file can hold
// that up for ever, so it is not insisted on: each record is one write.
func lockRecords(f *os.File) {
	for range lockTries {
		if unix.FcntlFlock(f.Fd(), unix.F_OFD_SETLK, &unix.Flock_t{Type: unix.F_WRLCK}) == nil {
			return // closing it lets go
		}
		time.Sleep(lockPause)
	}
}

// maxRecords is how many records are looked at: there is one for each terminal.
const maxRecords = 1 << 16

// put puts a record in the place of its terminal's. The end is told only where the
// beginning is that of this process.
func (r record) put(path string, b []byte, kind uint16) {
	f := openRecords(path, unix.O_RDWR)
	if f == nil {
		return
	}
	defer f.Close()
	lockRecords(f)
	old := make([]byte, len(b))
	at := int64(0)
	for range maxRecords {
		if n, err := f.ReadAt(old, at); err != nil || n < len(old) {
			if kind == deadProcess {
				return
			}
			break // behind the last one
		}
		if string(old[atLine:atLine+lenLine]) == string(b[atLine:atLine+lenLine]) {
			if kind == deadProcess && binary.NativeEndian.Uint32(old[atPID:]) != uint32(r.pid) {
				return
			}
			break
		}
		at += int64(len(old))
	}
	_, _ = f.WriteAt(b, at) // as above
}
