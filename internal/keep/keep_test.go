package keep

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/muxward/muxward/internal/accounts"
	"github.com/muxward/muxward/internal/tmux/tmuxtest"
)

// The life of a server: started, opened, connected to, ended.
func TestLife(t *testing.T) {
	w := newWorld(t)
	h, d := w.opened("alice")
	if h.Owner != "alice" || h.Account.UID != w.acct.UID || h.Inner != d.Path || d.UID != w.acct.UID || h.Start == 0 {
		t.Errorf("%+v %+v", h, d)
	}
	if err := accepts(t, d.Listen, d.Path); err != nil {
		t.Errorf("the inner door: %v", err)
	}
	w.stock(h, "new-session", "-d", "-s", "work")
	f, err := w.k.Connect(t.Context(), h.ID)
	if err != nil {
		t.Fatal(err)
	}
	cred, err := unix.GetsockoptUcred(int(f.Fd()), unix.SOL_SOCKET, unix.SO_PEERCRED)
	if err != nil || int(cred.Pid) != h.PID {
		t.Errorf("connected to %+v, %v", cred, err)
	}
	_ = f.Close()
	if err := w.k.Note(t.Context(), h.ID, Said{Started: 17, Version: "3.4"}); err != nil {
		t.Error(err)
	}
	w.stock(h, "kill-server")
	if ev := w.came(EventEnded, "exited with code 0"); ev.ID != h.ID || ev.Owner != "alice" {
		t.Errorf("%+v", ev)
	}
	if ev := w.came(EventLeft, ""); ev.ID != h.ID {
		t.Errorf("%+v", ev)
	}
	if _, err := w.k.Connect(t.Context(), h.ID); !errors.Is(err, ErrEnded) {
		t.Errorf("afterwards: %v", err)
	}
	if again := w.start("alice"); again.ID == h.ID {
		t.Error("the same server again")
	}
}

// A server that was started for nothing is ended, and nothing tells of it or stays.
func TestAbandon(t *testing.T) {
	w := newWorld(t)
	h := w.start("alice")
	if err := w.k.Abandon(t.Context(), h.ID); err != nil {
		t.Fatal(err)
	}
	if err := unix.Kill(h.PID, 0); !errors.Is(err, unix.ESRCH) {
		t.Errorf("it still runs: %v", err)
	}
	if err := w.k.Abandon(t.Context(), h.ID); !errors.Is(err, ErrEnded) {
		t.Errorf("twice: %v", err)
	}
	for _, dir := range []string{w.opt.Run + "/servers", w.opt.Doors} {
		ents, _ := os.ReadDir(dir)
		for _, e := range ents {
			if e.Name() != ".lock" {
				t.Errorf("%s stays", e.Name())
			}
		}
	}
	w.start("alice")
}

// What an earlier one has left is found, with what it was told of a server, and adopted
// once; one that has ended is cleared away.
func TestFoundAndAdopted(t *testing.T) {
	w := newWorld(t)
	h, _ := w.opened("alice")
	if err := w.k.Note(t.Context(), h.ID, Said{Started: 17, Version: "3.4"}); err != nil {
		t.Fatal(err)
	}
	dead, _ := w.opened("bob")
	if err := w.k.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := w.k.Connect(t.Context(), h.ID); !errors.Is(err, ErrClosed) {
		t.Errorf("after the end: %v", err)
	}
	if err := unix.Kill(dead.PID, unix.SIGKILL); err != nil {
		t.Fatal(err)
	}
	if _, err := unix.Wait4(dead.PID, nil, 0, nil); err != nil {
		t.Fatal(err)
	}
	for _, litter := range []string{"/servers/01234567.conf", "/servers/01234567.log"} {
		if err := os.WriteFile(w.opt.Run+litter, nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	w.open()
	ids, err := w.k.Found(t.Context())
	if err != nil || len(ids) != 2 {
		t.Fatalf("%q %v", ids, err)
	}
	if _, err := w.k.Adopt(t.Context(), dead.ID); !errors.Is(err, ErrEnded) {
		t.Errorf("one that has ended: %v", err)
	}
	w.came(EventNotice, "has ended while no muxward ran")
	for range 2 { // until its door is open it may be asked for again
		again, err := w.k.Adopt(t.Context(), h.ID)
		if err != nil || again.PID != h.PID || again.Mark != h.Mark || again.Said != (Said{17, "3.4"}) || again.Start != h.Start {
			t.Fatalf("%+v %v", again, err)
		}
	}
	if err := w.k.Abandon(t.Context(), h.ID); !errors.Is(err, ErrRefused) {
		t.Errorf("an adopted server was ended: %v", err)
	}
	d, err := w.k.OpenDoor(t.Context(), Place{Server: h.ID})
	if err != nil {
		t.Fatal(err)
	}
	defer d.Listen.Close()
	if _, err := w.k.Adopt(t.Context(), h.ID); !errors.Is(err, ErrRefused) {
		t.Errorf("adopted twice: %v", err)
	}
	left, _ := filepath.Glob(w.opt.Run + "/servers/*")
	for _, p := range left {
		if !strings.Contains(p, h.ID) {
			t.Errorf("%s stays", p)
		}
	}
}

// A server of an account that is to have none any more is not given to who asks now, and
// goes on.
func TestAdoptAsksForTheAccount(t *testing.T) {
	w := newWorld(t)
	h := w.start("alice")
	if err := w.k.Close(); err != nil {
		t.Fatal(err)
	}
	permitted := w.opt.Account
	w.opt.Account = func(context.Context, string, uint32) (accounts.Account, error) {
		return accounts.Account{}, accounts.ErrNoAccount
	}
	w.open()
	if _, err := w.k.Adopt(t.Context(), h.ID); !errors.Is(err, ErrRefused) {
		t.Errorf("it was adopted: %v", err)
	}
	if err := second(w.k.Connect(t.Context(), h.ID)); !errors.Is(err, ErrEnded) {
		t.Errorf("and connected to: %v", err)
	}
	if err := w.k.Close(); err != nil {
		t.Fatal(err)
	}
	w.opt.Account = func(ctx context.Context, _ string, _ uint32) (accounts.Account, error) {
		<-ctx.Done() // a directory does not answer: the next one's is not to wait for that
		return accounts.Account{}, ctx.Err()
	}
	w.open()
	if _, err := w.k.Adopt(t.Context(), h.ID); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("it was adopted: %v", err)
	}
	if err := w.k.Close(); err != nil {
		t.Fatal(err)
	}
	w.opt.Account = permitted
	w.open()
	if again, err := w.k.Adopt(t.Context(), h.ID); err != nil || again.PID != h.PID {
		t.Errorf("the control run: %+v, %v", again, err)
	}
}

// A directory that does not answer is waited for once, and not for each server of an account of its. What is said
// of them is the same each time. Of an account that it does not have it is not that.
func TestAdoptWaitsOnce(t *testing.T) {
	w := newWorld(t)
	rec := record{Owner: "alice", Account: w.acct}
	rec.Account.Directory = true
	var times []time.Duration
	errs := map[string]int{}
	w.k.opt.Account = func(ctx context.Context, _ string, _ uint32) (accounts.Account, error) {
		until, _ := ctx.Deadline()
		times = append(times, time.Until(until))
		<-ctx.Done()
		return accounts.Account{}, fmt.Errorf("reason %d: %w", len(times), accounts.ErrUnanswered)
	}
	for range 4 {
		errs[w.k.stillFor(t.Context(), rec).Error()]++
	}
	if len(times) != 4 || times[0] <= adoptGlance || slices.Max(times[1:]) > adoptGlance {
		t.Errorf("it is waited for %v", times)
	}
	if len(errs) != 1 {
		t.Errorf("it is told in several ways: %v", errs)
	}
	w.k.opt.Account = func(context.Context, string, uint32) (accounts.Account, error) { return w.acct, nil }
	if err := w.k.stillFor(t.Context(), rec); err != nil || !w.k.slow.IsZero() {
		t.Errorf("it answers again: %v, %v", err, w.k.slow)
	}
	w.k.opt.Account = func(context.Context, string, uint32) (accounts.Account, error) {
		return accounts.Account{}, accounts.ErrNoAccount
	}
	if err := w.k.stillFor(t.Context(), rec); !errors.Is(err, ErrRefused) {
		t.Error(err)
	}
}

// While it is not known whether a server is its account's still, that account does not get another one in its place,
// whose sessions would be all that it finds from then on.
func TestStartBesideOneNotAdopted(t *testing.T) {
	w := newWorld(t)
	w.acct.Directory = true
	h, permitted := w.start("alice"), w.opt.Account
	if err := w.k.Close(); err != nil {
		t.Fatal(err)
	}
	w.opt.Account = func(context.Context, string, uint32) (accounts.Account, error) {
		return accounts.Account{}, accounts.ErrUnanswered
	}
	w.open()
	if found, err := w.k.Found(t.Context()); err != nil || len(found) != 1 {
		t.Fatal(found, err)
	}
	if _, err := w.k.Adopt(t.Context(), h.ID); err == nil {
		t.Fatal("it is adopted")
	}
	w.k.opt.Account = permitted // it answers, and whoever it is comes before the next look
	if _, err := w.k.Start(t.Context(), w.order("alice")); !errors.Is(err, ErrBusy) {
		t.Errorf("a second one: %v", err)
	}
	w.start("bob") // who has none
	if again, err := w.k.Adopt(t.Context(), h.ID); err != nil || again.PID != h.PID {
		t.Errorf("%+v, %v", again, err)
	}
}

// Killed between the start of tmux and writing down its id, or before the
// socket was moved: the next muxward finishes it.
func TestAdoptHalfStarted(t *testing.T) {
	w := newWorld(t)
	boot, err := bootID()
	if err != nil {
		t.Fatal(err)
	}
	rec := record{ID: randomHex(IDLen), Mark: randomHex(markLen), Owner: "alice", Account: w.acct, Boot: boot}
	s := newServer(w.k, rec)
	if err := w.k.launch(t.Context(), s, nil); err != nil {
		t.Fatal(err)
	}
	tmuxtest.Eventually(t, func() bool { _, up := listener(w.k.doors.dir, innerName(rec.ID), "s"); return up }, "tmux listens")
	pid := s.rec.PID
	tmuxtest.KillAtEnd(t, pid)
	s.rec.PID, s.rec.Start = 0, 0
	if err := s.rec.save(w.k.servers); err != nil {
		t.Fatal(err)
	}
	s.close()
	if err := w.k.Close(); err != nil {
		t.Fatal(err)
	}
	w.open()
	if _, err := w.k.Found(t.Context()); err != nil {
		t.Fatal(err)
	}
	found, err := w.k.Adopt(t.Context(), rec.ID)
	if err != nil || found.PID != pid {
		t.Fatalf("%+v %v, want process %d", found, err, pid)
	}
	w.stock(found, "new-session", "-d")
}

// A door that was tampered with is made anew, and its socket comes with the event; that
// of the last time, if more than one was not fetched.
func TestReplaced(t *testing.T) {
	w := newWorld(t)
	d, err := w.k.OpenDoor(t.Context(), Place{Account: w.named()})
	if err != nil {
		t.Fatal(err)
	}
	defer d.Listen.Close()
	if err := accepts(t, d.Listen, d.Path); err != nil {
		t.Fatal(err)
	}
	dir := filepath.Dir(d.Path)
	if err := errors.Join(os.Chmod(dir, 0o700), os.Remove(d.Path)); err != nil {
		t.Fatal(err)
	}
	ev := w.came(EventReplaced, "")
	defer ev.Listen.Close()
	if ev.Place != (Place{Account: w.named()}) {
		t.Errorf("%+v", ev)
	}
	if err := accepts(t, ev.Listen, d.Path); err != nil {
		t.Error(err)
	}
	if n := w.came(EventNotice, "its socket is gone"); n.Level != LevelDoor {
		t.Errorf("%+v", n)
	}
	if err := w.k.CloseDoor(t.Context(), Place{Account: w.named()}); err != nil {
		t.Error(err)
	}
	if _, err := os.Lstat(d.Path); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the socket stays: %v", err)
	}
}

// The x bits, by which tmux says that somebody is attached, are no tampering
// at an inner door.
func TestAttachedBits(t *testing.T) {
	w := newWorld(t)
	h, d := w.opened("alice")
	if err := os.Chmod(d.Path, 0o700); err != nil {
		t.Fatal(err)
	}
	s, err := w.k.server(h.ID)
	if err != nil {
		t.Fatal(err)
	}
	if wrong, err := s.inner.check(); err != nil || len(wrong) != 0 {
		t.Errorf("%v %v", wrong, err)
	}
}

// Nobody but the account and root connects.
func TestOthersCannotConnect(t *testing.T) {
	if !asRoot() {
		tmuxtest.Skip(t, "needs root to be another account")
	}
	w := newWorld(t)
	h, d := w.opened("alice")
	w.stock(h, "new-session", "-d")
	for _, path := range []string{w.socket(h), d.Path} {
		if _, err := connectAs(path, otherUID); !errors.Is(err, unix.EACCES) {
			t.Errorf("another account at %s: %v", path, err)
		}
		c, err := connectAs(path, w.acct.UID)
		if err != nil {
			t.Errorf("the account at %s: %v", path, err)
			continue
		}
		_ = c.Close()
	}
	if got := w.stock(h, "list-clients", "-F", "x"); got != "" {
		t.Errorf("clients: %q", got)
	}
	// We connected as the account, and only for that moment.
	tasks, _ := os.ReadDir("/proc/self/task")
	for _, e := range tasks {
		b, err := os.ReadFile("/proc/self/task/" + e.Name() + "/status")
		if err == nil && !strings.Contains(string(b), "Uid:\t0\t0\t0\t0") {
			t.Errorf("thread %s: %s", e.Name(), b)
		}
	}
}

// Somebody else behind the socket is noticed before a byte is said, and nobody is
// told from nobody there.
func TestConnectChecksListener(t *testing.T) {
	w := newWorld(t)
	h := w.start("alice")
	s, err := w.k.server(h.ID)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := dial(s.sock, w.acct.UID, h.PID+1); !errors.Is(err, ErrNotTheServer) {
		t.Errorf("another process: %v", err)
	}
	real := s.sock
	s.sock = nil
	if err := second(w.k.Connect(t.Context(), h.ID)); !errors.Is(err, ErrNoSocket) {
		t.Errorf("no socket: %v", err)
	}
	s.sock = real
	l, err := listenAt(procPath(s.dir) + "/dead")
	if err != nil {
		t.Fatal(err)
	}
	_ = l.Close()
	dead, err := pinAt(int(s.dir.Fd()), "dead")
	if err != nil {
		t.Fatal(err)
	}
	defer dead.Close()
	if _, err := dial(dead, uint32(os.Geteuid()), h.PID); !errors.Is(err, ErrNobody) || !errors.Is(err, unix.ECONNREFUSED) {
		t.Errorf("nobody listens: %v", err)
	}
}

// An opening of a door is told from the one before, and nothing is told of a socket after
// its door was closed.
func TestGeneration(t *testing.T) {
	w := newWorld(t, func(o *Options) { o.Every = 0 })
	p := Place{Account: w.named()}
	var last uint64
	for range 2 {
		d, err := w.k.OpenDoor(t.Context(), p)
		if err != nil {
			t.Fatal(err)
		}
		defer d.Listen.Close()
		if d.Generation == last {
			t.Errorf("opened as %d twice", last)
		}
		last = d.Generation
		if err := errors.Join(os.Chmod(filepath.Dir(d.Path), 0o700), os.Remove(d.Path)); err != nil {
			t.Fatal(err)
		}
		ev := w.came(EventReplaced, "")
		defer ev.Listen.Close()
		if ev.Generation != last {
			t.Errorf("replaced as %d, not %d", ev.Generation, last)
		}
		if err := w.k.CloseDoor(t.Context(), p); err != nil {
			t.Fatal(err)
		}
	}
	q := queue{more: make(chan struct{}, 1)}
	f, err := os.Open("/dev/null")
	if err != nil {
		t.Fatal(err)
	}
	q.put(Event{Kind: EventReplaced, Place: p, Generation: 7, Listen: f})
	q.dropReplaced(6)
	if len(q.list) != 1 {
		t.Error("another door's was dropped")
	}
	q.dropReplaced(7)
	if len(q.list) != 0 {
		t.Errorf("%v", q.list)
	}
	tmuxtest.Eventually(t, func() bool { return isClosed(f) }, "it is closed")
}

// Who does not fetch how servers have ended gets no more of them.
func TestEndsAreFetched(t *testing.T) {
	w := newWorld(t)
	k := &Keep{opt: w.opt, events: queue{more: make(chan struct{}, 1)}, byOwner: map[string]*server{}}
	for i := 0; !k.events.full(); i++ {
		if i > maxEnds {
			t.Fatal("there is no end")
		}
		k.events.put(Event{Kind: EventEnded})
	}
	if err := k.reserve("alice"); !errors.Is(err, ErrBusy) {
		t.Errorf("%v", err)
	}
	if _, _, err := k.events.next(); err != nil {
		t.Fatal(err)
	}
	if err := k.reserve("alice"); err != nil {
		t.Errorf("after it was fetched: %v", err)
	}
}

func isClosed(f *os.File) bool {
	_, err := f.Stat()
	return errors.Is(err, os.ErrClosed)
}

// A receiver that stands still costs a bounded amount, and is told what it has missed.
func TestEventsAreBounded(t *testing.T) {
	q := queue{more: make(chan struct{}, 1)}
	open := func() *os.File {
		f, err := os.Open("/dev/null")
		if err != nil {
			t.Fatal(err)
		}
		return f
	}
	first, last := open(), open()
	q.put(Event{Kind: EventReplaced, Place: Place{Server: "a"}, Listen: first})
	for i := range maxWaiting + 7 {
		q.put(Event{Kind: EventNotice, Text: fmt.Sprint(i, strings.Repeat("ä", MaxText))})
	}
	q.put(Event{Kind: EventEnded, ID: "a"})
	if was := q.put(Event{Kind: EventReplaced, Place: Place{Server: "a"}, Listen: last}); was != first {
		t.Errorf("the first socket is not given back: %v", was)
	}
	_ = first.Close()
	var kinds []EventKind
	var end Event
	for {
		ev, ok, err := q.next()
		if err != nil {
			t.Fatal(err)
		}
		if !ok {
			break
		}
		if len(ev.Text) > MaxText {
			t.Errorf("%d bytes", len(ev.Text))
		}
		kinds, end = append(kinds, ev.Kind), ev
		ev.forget()
	}
	if len(kinds) != maxWaiting+3 || kinds[0] != EventReplaced || kinds[len(kinds)-2] != EventEnded || !strings.HasPrefix(end.Text, "7 notices") {
		t.Errorf("%d events, the last %+v", len(kinds), end)
	}
	waiting := open()
	q.put(Event{Kind: EventReplaced, Listen: waiting})
	q.put(Event{Kind: EventNotice, Text: "last"})
	q.close()
	late := open()
	if was := q.put(Event{Kind: EventReplaced, Listen: late}); was != late {
		t.Errorf("behind its end a socket is not given back: %v", was)
	}
	_ = late.Close()
	tmuxtest.Eventually(t, func() bool { return isClosed(waiting) }, "what has waited is closed")
	if ev, ok, err := q.next(); !ok || ev.Text != "last" || err != nil {
		t.Errorf("%+v %v", ev, err)
	}
	if _, _, err := q.next(); !errors.Is(err, ErrClosed) {
		t.Error(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	k := &Keep{events: queue{more: make(chan struct{}, 1)}}
	if _, err := k.Next(ctx); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}
