package grants

import (
	"bufio"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/muxward/muxward/internal/soak"
)

// asWriter is the environment variable that makes this program one that gives
// and takes back without end in the store that it names.
const asWriter = "MUXWARD_TEST_GRANTS"

func TestMain(m *testing.M) {
	if path := os.Getenv(asJoiners); path != "" {
		fmt.Fprintln(os.Stderr, joinUntilKilled(path))
		os.Exit(1)
	}
	if path := os.Getenv(asWriter); path != "" {
		fmt.Fprintln(os.Stderr, writeUntilKilled(path))
		os.Exit(1)
	}
	goleak.VerifyTestMain(m)
}

// writeUntilKilled says what it is about to do, in small letters, and what was
// acknowledged, in capitals.
func writeUntilKilled(path string) error {
	ctx := context.Background()
	s, err := OpenStore(ctx, path, noon)
	if err != nil {
		return err
	}
	for {
		if list := s.List(); len(list) > 20 || len(list) > 0 && rand.IntN(2) == 0 {
			id := list[rand.IntN(len(list))].ID
			fmt.Println("t", id)
			if _, err := s.TakeBack(ctx, id, "alice", "", noon); err != nil {
				return err
			}
			fmt.Println("T", id)
			continue
		}
		g, err := s.Give(ctx, typist("bob", time.Time{}), noon, recorded)
		if err != nil {
			return err
		}
		fmt.Println("G", g.ID)
	}
}

// TestKilledWhileWriting: muxward is killed at random moments while it gives
// and takes back. The store opens, nothing that was taken back is given, and
// nothing is lost whose giver was told that it was given.
func TestKilledWhileWriting(t *testing.T) {
	path := filepath.Join(t.TempDir(), "grants.db")
	alive, trying, taken := map[int64]bool{}, map[int64]bool{}, map[int64]bool{}
	most, lives := soak.N(10_000, 400), 0
	for done := 0; done < most; lives++ {
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), asWriter+"="+path)
		cmd.Stderr = os.Stderr
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		guard := time.AfterFunc(time.Minute, func() { _ = cmd.Process.Kill() })
		kill := 1 + rand.IntN(100)
		read := 0
		for lines := bufio.NewScanner(out); lines.Scan(); {
			var word string
			var id int64
			if _, err := fmt.Sscan(lines.Text(), &word, &id); err != nil {
				continue // cut short
			}
			switch word {
			case "G":
				alive[id] = true
			case "t":
				trying[id] = true
				continue
			case "T":
				delete(alive, id)
				taken[id] = true
			}
			if read++; read == kill {
				if err := cmd.Process.Kill(); err != nil { // what it writes until then is read, too
					t.Fatal(err)
				}
			}
		}
		guard.Stop()
		_ = cmd.Wait()
		if read < kill {
			t.Fatalf("life %d: it ended by itself after %d operations", lives, read)
		}
		done += read
		settleKilled(t, path, alive, trying, taken)
	}
	t.Logf("killed %d times", lives)
}

// settleKilled compares the store with what was acknowledged. What was under way
// may have been done or not.
func settleKilled(t *testing.T, path string, alive, trying, taken map[int64]bool) {
	t.Helper()
	s, err := OpenStore(context.Background(), path, noon)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	there := map[int64]bool{}
	for _, g := range s.List() {
		there[g.ID] = true
		if taken[g.ID] {
			t.Errorf("grant %d was taken back, and is given", g.ID)
		}
	}
	for id := range alive {
		if !there[id] && !trying[id] {
			t.Errorf("grant %d was given, and is lost", id)
		}
	}
	clear(alive)
	clear(trying)
	for id := range there {
		alive[id] = true
	}
}
