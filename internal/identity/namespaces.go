package identity

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/muxward/muxward/internal/procfs"
	"github.com/muxward/muxward/internal/teeth"
)

// WithNamespaces lets processes of some accounts come from a pid or user namespace that is not
// ours: a container that has the doors' directory. Without it nobody's do.
func WithNamespaces(may func(account string) bool) Option {
	return func(p *Prover) { p.namespaces = may }
}

// sameHost refuses a process that lives in a pid or user namespace below ours: a number that
// somebody has chosen there is an account's only where whoever has made the container wants it.
func (p *Prover) sameHost(peer *Peer, account string) error {
	if teeth.Out(teeth.Namespace) || p.namespaces != nil && p.namespaces(account) {
		return nil
	}
	if p.ours.include(peer.pid) {
		return nil
	}
	which, err := p.ours.others(peer.pid)
	switch {
	case err != nil && !peer.Alive():
		return ErrPeerGone
	case err != nil:
		return fmt.Errorf("tell the namespaces of process %d: %w", peer.pid, err)
	case which != "":
		return fmt.Errorf("process %d of uid %d (account %q) is in %s, as in a container: nobody is let in from there "+
			"unless the configuration says so of the account (namespaces)", peer.pid, peer.uid, account, which)
	}
	return nil
}

// ownNamespaces are what muxward itself is in. A process is in the same pid namespace from its
// beginning to its end, and muxward leaves its user namespace as little.
type ownNamespaces struct {
	pid, user namespace // zero where the kernel does not say
	levels    int       // 0: ask again
	uids      string    // "": ask again
}

// namespace is one, as stat(2) tells it from all others that there are at the time (namespaces(7)).
type namespace struct{ dev, ino uint64 }

func findOwnNamespaces() (o ownNamespaces) {
	o.pid, _ = namespaceAt(os.Getpid(), "pid")
	o.user, _ = namespaceAt(os.Getpid(), "user")
	o.levels, _ = pidLevels(os.Getpid())
	if uids, err := uidMap(os.Getpid()); err == nil && uids != noUIDs { // which may be given some
		o.uids = uids
	}
	return o
}

// include reports that a process is surely in the very namespaces that are ours. That is asked
// first, for it takes the kernel a tenth of what the long way takes; of another account's
// process only root hears it.
func (o *ownNamespaces) include(pid int) bool {
	if o.pid == (namespace{}) || o.user == (namespace{}) {
		return false
	}
	for _, one := range []struct {
		kind string
		own  namespace
	}{{"pid", o.pid}, {"user", o.user}} {
		if its, err := namespaceAt(pid, one.kind); err != nil || its != one.own {
			return false
		}
	}
	return true
}

func namespaceAt(pid int, kind string) (namespace, error) {
	var st unix.Stat_t
	err := unix.Stat("/proc/"+strconv.Itoa(pid)+"/ns/"+kind, &st)
	return namespace{uint64(st.Dev), st.Ino}, err
}

// others names the namespaces of a process that are not ours, by what everybody may
// see of each process (proc(5)): in how many pid namespaces it has a number, and what its uids
// are outside. In a user namespace of our own it is not told whether that of another process is
// below it.
func (o *ownNamespaces) others(pid int) (string, error) {
	var found []string
	theirs, err := pidLevels(pid)
	if err != nil {
		return "", err
	}
	ours := o.levels
	if ours == 0 {
		if ours, err = pidLevels(os.Getpid()); err != nil {
			return "", err
		}
	}
	if theirs != ours {
		found = append(found, fmt.Sprintf("another pid namespace (%s)", namespaceOf(pid, "pid")))
	}
	own := o.uids
	if own == "" {
		if own, err = uidMap(os.Getpid()); err != nil {
			return "", err
		}
	}
	its, err := uidMap(pid)
	if err != nil {
		return "", err
	}
	const all = "0 0 4294967295"
	if own == all && its != all {
		found = append(found, fmt.Sprintf("another user namespace (%s, uids %s)", namespaceOf(pid, "user"), its))
	}
	return strings.Join(found, " and "), nil
}

// pidLevels counts the pid namespaces in which a process has a number, from ours down.
func pidLevels(pid int) (int, error) {
	status, err := procfs.Read(pid, "status", maxStatus)
	if err != nil {
		return 0, err
	}
	for line := range bytes.Lines(status) {
		if rest, ok := bytes.CutPrefix(line, []byte("NSpid:")); ok {
			return len(bytes.Fields(rest)), nil
		}
	}
	return 0, errors.New("its status has no NSpid")
}

// maxStatus is more than a process's status has with all the groups that it may be in.
const maxStatus = 1 << 20

// maxUIDMap is more than the 340 lines that the kernel takes (user_namespaces(7)).
const maxUIDMap = 64 << 10

// noUIDs stands for the map of a user namespace that has not been given one.
const noUIDs = "none"

func uidMap(pid int) (string, error) {
	text, err := procfs.Read(pid, "uid_map", maxUIDMap)
	if err != nil {
		return "", err
	}
	words := strings.Join(strings.Fields(string(text)), " ")
	if words == "" {
		words = noUIDs
	}
	if len(words) > 100 {
		words = words[:100] + "…"
	}
	return words, nil
}

// namespaceOf is the kernel's name of a process's namespace, where we may see it.
func namespaceOf(pid int, kind string) string {
	name, err := os.Readlink("/proc/" + strconv.Itoa(pid) + "/ns/" + kind)
	if err != nil {
		return "which one is not ours to see"
	}
	return name
}
