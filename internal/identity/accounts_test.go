package identity

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/muxward/muxward/internal/accounts"
	"github.com/muxward/muxward/internal/procfs"
	"github.com/muxward/muxward/internal/tmux/tmuxtest"
)

func TestMain(m *testing.M) {
	if len(os.Args) > 1 && strings.HasPrefix(os.Args[1], childMark) {
		os.Exit(child(strings.TrimPrefix(os.Args[1], childMark), os.Args[2:]))
	}
	os.Exit(tmuxtest.Main(tmuxtest.LeakChecked{Runner: m}))
}

const passwdText = `root:x:0:0:root:/root:/bin/bash
# comment:x:7:7::/:/bin/sh
+nis:x:7:7::/:/bin/sh
broken:x:7
alice:x:1001:100:Alice,,,:/home/alice:/bin/zsh
twin:x:1001:100::/:/bin/sh
neg:x:-1:0::/:/bin/sh
big:x:4294967296:0::/:/bin/sh
`

func files(t *testing.T) accounts.Files {
	t.Helper()
	dir := t.TempDir()
	f := accounts.Files{Passwd: filepath.Join(dir, "passwd"), Group: filepath.Join(dir, "group")}
	write(t, f.Passwd, passwdText)
	write(t, f.Group, "adm:x:4:bob,alice\nbad\nvideo:x:44:alicex\nops:x:900:alice,alice\n")
	return f
}

func write(t *testing.T, path, text string) {
	t.Helper()
	tmp := path + ".new"
	if err := os.WriteFile(tmp, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(tmp, path); err != nil {
		t.Fatal(err)
	}
}

func TestAccountFiles(t *testing.T) {
	f := files(t)
	a := newAccounts(f.ByUID, f.Stamp)
	got, err := a.ByUID(t.Context(), 1001)
	if err != nil || got.Name != "alice" || got.GID != 100 || got.Home != "/home/alice" || got.Shell != "/bin/zsh" || !slices.Equal(got.Groups, []uint32{4, 900}) {
		t.Fatalf("%+v, %v", got, err)
	}
	for _, uid := range []uint32{7, 4294967295, 5} {
		if got, err := a.ByUID(t.Context(), uid); !errors.Is(err, ErrNoAccount) {
			t.Errorf("uid %d is %+v, %v", uid, got, err)
		}
	}
	// The account goes, and its uid to somebody else: at once, not 30 s later.
	write(t, f.Passwd, "mallory:x:1001:100::/:/bin/sh\n")
	if got, _ := a.ByUID(t.Context(), 1001); got.Name != "mallory" {
		t.Errorf("after the change: %+v", got)
	}
	// No file: nobody knows, which is not "no account".
	if err := os.Remove(f.Passwd); err != nil {
		t.Fatal(err)
	}
	if _, err := a.ByUID(t.Context(), 1001); err == nil || errors.Is(err, ErrNoAccount) {
		t.Errorf("without the file: %v", err)
	}
}

func TestAccountsAge(t *testing.T) {
	calls, now := 0, time.Unix(1000, 0)
	a := newAccounts(func(uint32) (Account, error) { calls++; return Account{Name: "a"}, nil }, func() string { return "" })
	a.now = func() time.Time { return now }
	ask := func(want int) {
		t.Helper()
		if _, err := a.ByUID(t.Context(), 1); err != nil || calls != want {
			t.Fatalf("%d look-ups, want %d (%v)", calls, want, err)
		}
	}
	ask(1)
	now = now.Add(accountAge)
	ask(1)
	now = now.Add(time.Second)
	ask(2)
}

// An answer of before a change, which comes after others have seen that change, is not kept: a uid has gone to
// somebody else.
func TestAccountsChangeMeanwhile(t *testing.T) {
	var stamp atomic.Pointer[string]
	is := func(s string) { stamp.Store(&s) }
	is("alice")
	asked, goOn := make(chan struct{}, 1), make(chan struct{})
	a := newAccounts(func(uid uint32) (Account, error) {
		name := *stamp.Load()
		if uid == 1 && name == "alice" {
			asked <- struct{}{}
			<-goOn
		}
		return Account{Name: name, UID: uid}, nil
	}, func() string { return *stamp.Load() })
	done := make(chan struct{})
	go func() {
		defer close(done)
		_, _ = a.ByUID(t.Context(), 1)
	}()
	<-asked
	is("mallory")
	if acc, err := a.ByUID(t.Context(), 2); err != nil || acc.Name != "mallory" {
		t.Fatalf("%+v, %v", acc, err)
	}
	close(goOn)
	<-done
	if acc, err := a.ByUID(t.Context(), 1); err != nil || acc.Name != "mallory" {
		t.Errorf("after the change: %+v, %v", acc, err)
	}
}

// A source that hangs costs its asker the deadline, takes no more than the
// workers, and later askers are refused soon.
func TestAccountsHang(t *testing.T) {
	hang := make(chan struct{})
	a := newAccounts(func(uint32) (Account, error) { <-hang; return Account{Name: "late"}, nil }, func() string { return "" })
	a.uidOf = func(string) (uint32, error) { <-hang; return 98, nil }
	a.wait = time.Millisecond
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := a.ByName(ctx, "late"); !errors.Is(err, context.Canceled) {
		t.Fatalf("by name: %v", err)
	}
	for i := range accountWorkers - 1 {
		if _, err := a.ByUID(ctx, uint32(i)); !errors.Is(err, context.Canceled) {
			t.Fatalf("asker %d: %v", i, err)
		}
	}
	if _, err := a.ByUID(t.Context(), 99); err == nil || !strings.Contains(err.Error(), "do not return") {
		t.Errorf("one more: %v", err)
	}
	if _, err := a.ByName(t.Context(), "late"); err == nil || !strings.Contains(err.Error(), "do not return") {
		t.Errorf("one more by name: %v", err)
	}
	close(hang)
	a.wait = accountTime
	until(t, "the workers are free again", func() bool { return len(a.workers) == 0 })
	if acc, err := a.ByUID(t.Context(), 99); err != nil || acc.Name != "late" {
		t.Errorf("afterwards: %+v, %v", acc, err)
	}
	if acc, err := a.ByName(t.Context(), "late"); err != nil || acc.Name != "late" {
		t.Errorf("afterwards by name: %+v, %v", acc, err)
	}
}

// toyDirectory has dora, and says of whoever else that it is dora, too.
type toyDirectory struct{ asked int }

func (d *toyDirectory) ByUID(context.Context, uint32) (Account, error) {
	d.asked++
	return Account{Name: "dora", UID: 70001, Directory: true}, nil
}

func (d *toyDirectory) ByName(ctx context.Context, _ string) (Account, error) { return d.ByUID(ctx, 0) }

// A directory is asked about what no file has, and not believed of what was not asked; its answers are
// not kept here, and by Local it is not asked at all.
func TestAccountsBeyond(t *testing.T) {
	f, d := files(t), &toyDirectory{}
	a := newAccounts(f.ByUID, f.Stamp)
	a.uidOf = f.UIDOf
	b := a.Beyond(d)
	for range 2 {
		if acc, err := b.ByUID(t.Context(), 70001); err != nil || acc.Name != "dora" {
			t.Errorf("%+v, %v", acc, err)
		}
		if acc, err := b.ByName(t.Context(), "dora"); err != nil || acc.UID != 70001 {
			t.Errorf("%+v, %v", acc, err)
		}
	}
	if d.asked != 4 {
		t.Errorf("it was asked %d times", d.asked)
	}
	if acc, err := b.ByUID(t.Context(), 70002); err == nil {
		t.Errorf("%+v", acc)
	}
	if acc, err := b.ByName(t.Context(), "erin"); err == nil {
		t.Errorf("%+v", acc)
	}
	d.asked = 0
	if acc, err := b.ByUID(t.Context(), 1001); err != nil || acc.Name != "alice" {
		t.Errorf("%+v, %v", acc, err)
	}
	if acc, err := b.ByName(t.Context(), "twin"); err == nil { // whose number is alice's
		t.Errorf("%+v", acc)
	}
	if acc, err := b.Local(t.Context(), "dora"); !errors.Is(err, ErrNoAccount) {
		t.Errorf("%+v, %v", acc, err)
	}
	if acc, err := a.ByUID(t.Context(), 70001); !errors.Is(err, ErrNoAccount) {
		t.Errorf("without one: %+v, %v", acc, err)
	}
	if err := os.Remove(f.Passwd); err != nil {
		t.Fatal(err)
	}
	if acc, err := b.ByUID(t.Context(), 70001); err == nil {
		t.Errorf("without the files: %+v", acc)
	}
	if d.asked != 0 {
		t.Error("it was asked about what is the files' to say")
	}
}

// until waits for a condition.
func until(t *testing.T, what string, ok func() bool) {
	t.Helper()
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	end := time.After(30 * time.Second)
	for !ok() {
		select {
		case <-tick.C:
		case <-end:
			t.Fatalf("never: %s", what)
		}
	}
}

func FuzzParseStat(f *testing.F) {
	f.Add([]byte("1 (a b) c) S 2 3 4 34816 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 99 1\n"))
	f.Add([]byte("1 (x S 2"))
	f.Add([]byte(") "))
	f.Fuzz(func(_ *testing.T, data []byte) {
		_, _ = procfs.ParseStat(data)
		parseClaims(data)
	})
}

// Whoever comes by more uids than there are workers, or than answers are kept, has nobody else refused, nor
// looked up again.
func TestAccountsOfMany(t *testing.T) {
	var looked, came atomic.Int32
	here := make(chan struct{}, 2*accountWorkers)
	goOn := make(chan struct{})
	a := newAccounts(func(uid uint32) (Account, error) {
		if uid == 7 {
			looked.Add(1)
			return Account{Name: "alice", UID: 7}, nil
		}
		here <- struct{}{}
		<-goOn
		<-here
		return Account{}, ErrNoAccount
	}, func() string { came.Add(1); return "" })
	a.wait = accountTime
	var all sync.WaitGroup
	for i := range accountWorkers {
		all.Go(func() { _, _ = a.ByUID(t.Context(), uint32(100000+i)) })
	}
	until(t, "all workers are busy", func() bool { return len(here) == accountWorkers })
	refused := make(chan error, 64)
	for range cap(refused) {
		all.Go(func() {
			_, err := a.ByUID(t.Context(), 7)
			refused <- err
		})
	}
	until(t, "all have come", func() bool { return int(came.Load()) == accountWorkers+cap(refused) })
	close(goOn)
	for range cap(refused) {
		if err := <-refused; err != nil {
			t.Errorf("who has waited: %v", err)
		}
	}
	all.Wait()
	before := looked.Load()
	for i := range accountCache + 10 {
		_, _ = a.ByUID(t.Context(), uint32(200000+i))
	}
	if acc, err := a.ByUID(t.Context(), 7); err != nil || acc.Name != "alice" || looked.Load() != before {
		t.Errorf("%+v, %v, after %d look-ups more", acc, err, looked.Load()-before)
	}
	if n := len(a.absent); n > accountCache {
		t.Errorf("%d are kept who have none", n)
	}
}

// Uids that nobody has cost one reading of the file, and not one each; what the file has come to have counts, and
// what it has is what the files themselves say.
func TestSourceReadsOnce(t *testing.T) {
	f := files(t)
	n := 0
	list := func() (map[uint32]bool, error) { n++; return f.UIDs() }
	byUID := (&lines{of: f, list: list, fresh: f.Stamp, now: time.Now}).byUID
	same := func() {
		t.Helper()
		for uid := range uint32(1100) {
			want, errWant := f.ByUID(uid)
			got, err := byUID(uid)
			if !reflect.DeepEqual(got, want) || (err == nil) != (errWant == nil) || errors.Is(err, ErrNoAccount) != errors.Is(errWant, ErrNoAccount) {
				t.Fatalf("uid %d: %+v, %v; the files say %+v, %v", uid, got, err, want, errWant)
			}
		}
	}
	same()
	write(t, f.Passwd, passwdText+"zoe:x:1099:1099::/:/bin/sh\n")
	same()
	if n != 2 {
		t.Errorf("the file was read %d times, of which there were two", n)
	}
	for uid := range uint32(100) {
		if _, err := byUID(200000 + uid); !errors.Is(err, ErrNoAccount) {
			t.Fatal(err)
		}
	}
	if n != 2 {
		t.Errorf("of uids that nobody has it was read %d times", n)
	}
	if err := os.Remove(f.Passwd); err != nil {
		t.Fatal(err)
	}
	for _, uid := range []uint32{1001, 200000} {
		if _, err := byUID(uid); err == nil || errors.Is(err, ErrNoAccount) {
			t.Errorf("uid %d without the file: %v", uid, err)
		}
	}
	write(t, f.Passwd, passwdText)
	same()
}

// Two changes of a moment may leave the file with the same stamp: what the second one brought is seen all the
// same, no later than any answer is asked for anew, and also where the clock was set back.
func TestSourceAges(t *testing.T) {
	f, now := files(t), time.Now()
	byUID := (&lines{of: f, list: f.UIDs, fresh: func() string { return "the same" }, now: func() time.Time { return now }}).byUID
	has := func(uid uint32) bool { _, err := byUID(uid); return err == nil }
	if has(1099) {
		t.Fatal("uid 1099 is nobody's yet")
	}
	write(t, f.Passwd, passwdText+"zoe:x:1099:1099::/:/bin/sh\n")
	if now = now.Add(accountAge + time.Second); !has(1099) {
		t.Error("the account that the file has come to have is not seen")
	}
	write(t, f.Passwd, passwdText+"zoe:x:1098:1098::/:/bin/sh\n")
	if now = now.Add(-time.Hour); !has(1098) || has(1099) {
		t.Error("with the clock set back the file is not read again")
	}
}
