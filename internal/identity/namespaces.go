package identity

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"

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
	which, err := otherNamespaces(peer.pid)
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

// otherNamespaces names the namespaces of a process that are not ours, by what everybody may
// see of each process (proc(5)): in how many pid namespaces it has a number, and what its uids
// are outside. In a user namespace of our own it is not told whether that of another process is
// below it.
func otherNamespaces(pid int) (string, error) {
	var found []string
	theirs, err := pidLevels(strconv.Itoa(pid))
	if err != nil {
		return "", err
	}
	ours, err := pidLevels("self")
	if err != nil {
		return "", err
	}
	if theirs != ours {
		found = append(found, fmt.Sprintf("another pid namespace (%s)", namespaceOf(pid, "pid")))
	}
	own, err := uidMap("self")
	if err != nil {
		return "", err
	}
	its, err := uidMap(strconv.Itoa(pid))
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
func pidLevels(pid string) (int, error) {
	status, err := os.ReadFile("/proc/" + pid + "/status")
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

// maxUIDMap is more than the 340 lines that the kernel takes (user_namespaces(7)).
const maxUIDMap = 64 << 10

func uidMap(pid string) (string, error) {
	n := os.Getpid()
	if pid != "self" {
		n, _ = strconv.Atoi(pid) // it was made of one
	}
	text, err := procfs.Read(n, "uid_map", maxUIDMap)
	if err != nil {
		return "", err
	}
	words := strings.Join(strings.Fields(string(text)), " ")
	if words == "" {
		words = "none"
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
