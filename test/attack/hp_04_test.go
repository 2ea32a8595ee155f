package attack

import (
	"bytes"
	"crypto/ed25519"
	"encoding/base64"
	"fmt"
	"os"
	"strings"
	"testing"

	"golang.org/x/crypto/ssh"

	"github.com/muxward/muxward/test/host"
)

// holds reports whether a process has something in its memory.
func holds(t *testing.T, pid int, what []byte) bool {
	t.Helper()
	maps, err := os.ReadFile(fmt.Sprintf("/proc/%d/maps", pid))
	if err != nil {
		t.Fatal(err)
	}
	mem, err := os.Open(fmt.Sprintf("/proc/%d/mem", pid))
	if err != nil {
		t.Fatal(err)
	}
	defer mem.Close()
	read := 0
	for line := range strings.Lines(string(maps)) {
		var from, to int64
		var mode string
		if n, _ := fmt.Sscanf(line, "%x-%x %s", &from, &to, &mode); n != 3 || !strings.HasPrefix(mode, "rw") {
			continue
		}
		const step = 1 << 20
		for at := from; at < to; at += step {
			buf := make([]byte, min(step+128, to-at)) // what lies across is in one of them
			n, _ := mem.ReadAt(buf, at)               // some cannot be read
			read += n
			if bytes.Contains(buf[:n], what) {
				return true
			}
		}
	}
	if read < 1<<20 {
		t.Errorf("of process %d %d bytes were read: nothing was tried", pid, read)
	}
	return false
}

// Mallory has had the process that the network speaks with give away its memory. She wants
// the key that proves the host, or the one that the log is signed by, and would be either for
// ever. In the control run muxward is one process, which has both.
func TestHP04KeysInMemory(t *testing.T) {
	t.Parallel()
	for _, account := range []string{host.Ward, ""} {
		if account == "" && os.Getenv("MUXWARD_TEST_ACCOUNT") != "" {
			continue // there is no such muxward now
		}
		h := host.Start(t, host.Config{Account: account, SSH: []string{owner}})
		h.Must(owner, "new-session", "-d", "-s", "work", "cat")
		for range 3 { // each has the host key sign
			if r := h.SSH(owner, "x@127.0.0.1", "ls"); r.Code != 0 {
				t.Fatalf("%+v", r)
			}
		}
		dir, pid := h.State, h.PID()
		if account != "" {
			dir, pid = h.State+"-keys", ofDaemon(t, h)
		}
		for name, secret := range map[string][]byte{"host": hostSecret(t, dir), "log": logSecret(t, dir)} {
			if has := holds(t, pid, secret); has != (account == "") {
				t.Errorf("account %q: the key of the %s is in its memory: %t", account, name, has)
			}
		}
	}
}

func hostSecret(t *testing.T, dir string) []byte {
	t.Helper()
	data, err := os.ReadFile(dir + "/ssh_host_ed25519_key")
	if err != nil {
		t.Fatal(err)
	}
	key, err := ssh.ParseRawPrivateKey(data)
	if err != nil {
		t.Fatal(err)
	}
	return key.(*ed25519.PrivateKey).Seed()
}

func logSecret(t *testing.T, dir string) []byte {
	t.Helper()
	data, err := os.ReadFile(dir + "/audit.key")
	if err != nil {
		t.Fatal(err)
	}
	parts := strings.SplitN(strings.TrimSpace(string(data)), "+", 5)
	key, err := base64.StdEncoding.DecodeString(parts[4])
	if err != nil {
		t.Fatal(err)
	}
	return key[1:]
}
