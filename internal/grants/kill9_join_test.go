package grants

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/muxward/muxward/internal/soak"
)

// asJoiners makes this program one that makes invites and has people come by them
// without end in the store that the variable names.
const asJoiners = "MUXWARD_TEST_JOINERS"

// usesEach is for how many an invite of these is.
const usesEach = 3

// joinUntilKilled says who was told that they have come by which invite, as by what
// grant. More people try than may come.
func joinUntilKilled(path string) error {
	ctx := context.Background()
	s, err := OpenStore(ctx, path, noon)
	if err != nil {
		return err
	}
	for {
		v, code, err := s.Invite(ctx, invitation(usesEach), noon, func(Invite) error { return nil })
		if err != nil {
			return err
		}
		for i := range usesEach + 2 {
			g, err := join(s, code, fmt.Sprint("p", i), noon)
			if errors.Is(err, ErrNotOpen) && i >= usesEach {
				continue
			}
			if err != nil {
				return err
			}
			fmt.Println("J", v.ID, g.ID)
		}
		if v.ID%3 == 0 {
			fmt.Println("r", v.ID, 0)
			if _, _, err := s.RevokeInvite(ctx, v.ID, "alice", "", noon); err != nil {
				return err
			}
			fmt.Println("R", v.ID, 0)
		}
	}
}

// TestKilledWhileJoining: muxward is killed at random moments while people join. No use
// is had by two, nobody who was told that they have come has lost it, and what was
// revoked is.
func TestKilledWhileJoining(t *testing.T) {
	most := soak.N(2_000, 120)
	for done, lives := 0, 0; done < most; lives++ {
		path := filepath.Join(t.TempDir(), "grants.db")
		for range 3 { // of one store
			done += killJoiners(t, path)
		}
	}
}

// killJoiners has joiners work in a store, kills them, and looks at what they left.
func killJoiners(t *testing.T, path string) (read int) {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), asJoiners+"="+path)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	guard := time.AfterFunc(time.Minute, func() { _ = cmd.Process.Kill() })
	defer guard.Stop()
	came, revoking, revoked := map[int64]int64{}, map[int64]bool{}, map[int64]bool{}
	kill := 1 + rand.IntN(30)
	for lines := bufio.NewScanner(out); lines.Scan(); {
		var word string
		var invite, grant int64
		if _, err := fmt.Sscan(lines.Text(), &word, &invite, &grant); err != nil {
			continue // cut short
		}
		switch word {
		case "J":
			came[grant] = invite
		case "r":
			revoking[invite] = true
		case "R":
			revoked[invite] = true
		}
		if read++; read == kill {
			if err := cmd.Process.Kill(); err != nil {
				t.Fatal(err)
			}
		}
	}
	_ = cmd.Wait()
	if read < kill {
		t.Fatalf("it ended by itself after %d operations", read)
	}
	s, err := OpenStore(context.Background(), path, noon)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	settleJoined(t, s, came, revoking, revoked)
	return read
}

// settleJoined compares the store with what was acknowledged.
func settleJoined(t *testing.T, s *Store, came map[int64]int64, revoking, revoked map[int64]bool) {
	t.Helper()
	by := map[int64]int{}
	for _, g := range s.List() {
		by[g.Invite]++
		v, there := s.FindInvite(g.Invite)
		if !there || v.usedBy(g.Who) < 0 || v.Used[v.usedBy(g.Who)].Grant != g.ID {
			t.Errorf("%s has grant %d, which is no use of invite %d: %+v", g.Who, g.ID, g.Invite, v.Used)
		}
	}
	for _, v := range s.Invites() {
		if revoked[v.ID] || len(v.Used) > usesEach || by[v.ID] != len(v.Used) {
			t.Errorf("invite %d: %d uses, %d grants, revoked %v", v.ID, len(v.Used), by[v.ID], revoked[v.ID])
		}
	}
	for grant, invite := range came {
		if _, there := s.Find(grant); !there && !revoking[invite] {
			t.Errorf("grant %d of invite %d was acknowledged, and is lost", grant, invite)
		}
	}
}
