package keep

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"os"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/muxward/muxward/internal/accounts"
)

// record is what is written down about a server, RUN/servers/ID.json, so that
// the next muxward finds it again.
type record struct {
	ID      string           `json:"id"`
	Owner   string           `json:"owner"`
	Account accounts.Account `json:"account"`
	// Isolated is set for a server that is nobody's, and then Owner is its name.
	Isolated bool `json:"isolated,omitempty"`
	// Profile is set for one of these that a session profile has.
	Profile bool `json:"profile,omitempty"`
	// Sessions says whose they are on a profile's: "shared" or "own"; "" where an earlier
	// muxward has not written it down.
	Sessions string `json:"sessions,omitempty"`
	// PID is 0 between the decision to start the server and its start.
	PID int `json:"pid"`
	// Start is the process's start time in clock ticks since boot, Boot
	// names that boot.
	Start uint64 `json:"start"`
	Boot  string `json:"boot"`
	Exe   string `json:"exe"`
	// Mark is the random value of tmux.MarkOption in the server.
	Mark string `json:"mark"`
	// Version is what tmux said of itself.
	Version string `json:"version"`
	// Stopped says that we have stopped it, and Frozen its panes: see Halt.
	Stopped bool `json:"stopped,omitempty"`
	Frozen  bool `json:"frozen,omitempty"`
	// StartTime is what tmux says of its start, in seconds since 1970.
	StartTime int64 `json:"start_time"`
}

const maxRecord = 64 << 10

func parseRecord(data []byte) (record, error) {
	var r record
	if err := json.Unmarshal(data, &r); err != nil {
		return record{}, err
	}
	if !validID(r.ID) || len(r.Mark) != markLen || !isHex(r.Mark) || r.PID < 0 {
		return record{}, errors.New("it does not name a server")
	}
	if !validOwner(r.Owner) {
		return record{}, errors.New("it does not name a person")
	}
	if err := r.Account.Usable(); err != nil {
		return record{}, err
	}
	return r, nil
}

const markLen = 32

func validID(s string) bool { return len(s) == IDLen && isHex(s) }

// validOwner: a person's name, as identity.CanonicalName has it.
func validOwner(s string) bool {
	if s == "" || len(s) > MaxOwner {
		return false
	}
	for i := range len(s) {
		c := s[i]
		switch {
		case c >= 'a' && c <= 'z', c == '_':
		case i > 0 && (c >= '0' && c <= '9' || c == '.' || c == '-'):
		default:
			return false
		}
	}
	return true
}

func isHex(s string) bool {
	return strings.Trim(s, "0123456789abcdef") == ""
}

// save writes the record: whole or not at all.
func (r record) save(dir *os.File) error {
	data, err := json.Marshal(r)
	if err != nil {
		return err
	}
	return writeAt(dir, r.ID+".json", data, 0o600)
}

// writeAt replaces a file of ours in dir.
func writeAt(dir *os.File, name string, data []byte, mode uint32) error {
	at, tmp := int(dir.Fd()), name+".new"
	_ = unix.Unlinkat(at, tmp, 0) // of an interrupted save
	fd, err := unix.Openat(at, tmp, unix.O_WRONLY|unix.O_CREAT|unix.O_EXCL|unix.O_NOFOLLOW|unix.O_CLOEXEC, mode)
	if err != nil {
		return fmt.Errorf("write %s/%s: %w", dir.Name(), name, err)
	}
	f := os.NewFile(uintptr(fd), tmp)
	_, err = f.Write(data)
	err = errors.Join(err, f.Chmod(os.FileMode(mode)), f.Sync(), f.Close())
	if err == nil {
		err = unix.Renameat(at, tmp, at, name)
	}
	if err != nil {
		return errors.Join(fmt.Errorf("write %s/%s: %w", dir.Name(), name, err), unix.Unlinkat(at, tmp, 0))
	}
	return nil
}

func readAt(dir *os.File, name string, limit int64) ([]byte, error) {
	fd, err := unix.Openat(int(dir.Fd()), name, unix.O_RDONLY|unix.O_NOFOLLOW|unix.O_CLOEXEC|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	f := os.NewFile(uintptr(fd), name)
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, limit))
}

// forget removes all that belongs to a server that has ended.
func (k *Keep) forget(id string) {
	at := int(k.servers.Fd())
	for _, n := range []string{id + ".json", id + ".conf", id + ".log", id + ".json.new", launchName(id)} {
		_ = unix.Unlinkat(at, n, 0) // may never have been there
	}
	_ = clearDir(k.servers, id)
	k.doors.clearOwned(innerName(id))
}

func innerName(id string) string { return "in-" + id }

// bootID names this boot: start times of processes count from it.
func bootID() (string, error) {
	b, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	id := strings.TrimSpace(string(b))
	if err == nil && id == "" {
		err = errors.New("it is empty")
	}
	if err != nil {
		return "", fmt.Errorf("tell this boot from others: %w", err)
	}
	return id, nil
}

// lines gives the lines of data without their ends.
func lines(data []byte) iter.Seq[string] {
	return strings.SplitSeq(strings.TrimSuffix(string(data), "\n"), "\n")
}
