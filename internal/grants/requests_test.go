package grants

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/muxward/muxward/internal/access"
	"github.com/muxward/muxward/internal/identity"
)

func person(name string) identity.Identity {
	return identity.Supposed(identity.Subject{Person: name, UID: -1})
}

func wish(who string) Request {
	return Request{Who: person(who), What: "type", Verbs: access.SetOf(access.Type), At: time.Unix(100, 0), Until: time.Unix(200, 0)}
}

func onRecord(Request) error { return nil }

func asks(t *testing.T, s *Requests, who string) Request {
	t.Helper()
	r, err := s.Ask(wish(who), onRecord)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func endsBy(a Answer) func(Request) (Request, error) {
	return func(r Request) (Request, error) { return r.End(a, "alice", "because"), nil }
}

// TestRequestIsAnsweredOnce: of all who answer a request at once one does, the others
// hear what that came to, and whoever waits hears it, too. After that it is not there.
func TestRequestIsAnsweredOnce(t *testing.T) { synctest.Test(t, answeredByMany) }

func answeredByMany(t *testing.T) {
	var s Requests
	r := asks(t, &s, "bob")
	heard := make(chan Request, 1)
	go func() {
		end, err := s.Ending(r.ID)(t.Context())
		if err != nil {
			t.Error(err)
		}
		heard <- end
	}()
	synctest.Wait() // until it waits
	var mu sync.Mutex
	var done []Answer
	var wg sync.WaitGroup
	for i, a := range []Answer{Approved, Denied, Withdrawn, TimedOut, Approved, Denied} {
		wg.Go(func() {
			_, err := s.Change(t.Context(), r.ID, func(r Request) (Request, error) {
				mu.Lock()
				done = append(done, a)
				mu.Unlock()
				return endsBy(a)(r)
			})
			mu.Lock()
			defer mu.Unlock()
			if won := err == nil; won && done[0] != a {
				t.Errorf("answer %d: %v is said to be done, and %v was", i, a, done[0])
			}
		})
	}
	wg.Wait()
	if len(done) != 1 {
		t.Errorf("it was answered %d times: %v", len(done), done)
	}
	end := <-heard
	if end.Answer != done[0] || end.By != "alice" || end.Why != "because" {
		t.Errorf("who waits hears %+v", end)
	}
	if _, ok := s.Find(r.ID); ok || len(s.List()) != 0 {
		t.Error("it is there still")
	}
	if _, err := s.Change(t.Context(), r.ID, endsBy(Approved)); err == nil || err.Error() != ErrNoRequest(r.ID).Error() {
		t.Errorf("a replay: %v", err)
	}
}

// TestRequestChangesWhole: an answer that comes to nothing changes nothing, unless
// it has ended the request.
func TestRequestChangesWhole(t *testing.T) {
	var s Requests
	r, failed := asks(t, &s, "bob"), errors.New("the disk is full")
	_, err := s.Change(t.Context(), r.ID, func(r Request) (Request, error) {
		r.Yes = append(r.Yes, person("alice"))
		return r, failed
	})
	if now, ok := s.Find(r.ID); !errors.Is(err, failed) || !ok || len(now.Yes) != 0 {
		t.Errorf("it is %+v, %v", now, err)
	}
	got, err := s.Change(t.Context(), r.ID, func(r Request) (Request, error) { return r.End(Void, "muxward", "gone"), failed })
	if _, ok := s.Find(r.ID); !errors.Is(err, failed) || ok || got.Answer != Void {
		t.Errorf("%+v, %v", got, err)
	}
}

// TestRequestAnswerWaits: who would answer while somebody else does waits, and not for
// ever.
func TestRequestAnswerWaits(t *testing.T) {
	var s Requests
	r := asks(t, &s, "bob")
	inside, goOn := make(chan struct{}), make(chan struct{})
	first := make(chan error, 1)
	go func() {
		_, err := s.Change(t.Context(), r.ID, func(r Request) (Request, error) {
			close(inside)
			<-goOn
			return r.Agree(person("alice"), 0)
		})
		first <- err
	}()
	<-inside
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := s.Change(ctx, r.ID, endsBy(Denied)); err == nil {
		t.Error("two answer at once")
	}
	close(goOn)
	if err := <-first; err != nil {
		t.Error(err)
	}
	if now, _ := s.Find(r.ID); len(now.Yes) != 1 || now.Answer != Open {
		t.Errorf("it is %+v", now)
	}
}

// TestRequestNotOneself: nobody answers their own request, nor counts twice.
func TestRequestNotOneself(t *testing.T) {
	r := wish("bob")
	if _, err := r.Agree(person("bob"), 0); !errors.Is(err, errOwn) {
		t.Errorf("bob approves his own: %v", err)
	}
	one, err := r.Agree(person("alice"), 0)
	if err != nil || len(one.Yes) != 1 {
		t.Fatalf("%+v, %v", one, err)
	}
	if again, err := one.Agree(person("alice"), 0); err == nil || len(again.Yes) != 1 {
		t.Errorf("alice counts twice: %+v", again.Yes)
	}
	two, err := one.Agree(person("carol"), 0)
	if err != nil || len(two.Yes) != 2 || len(one.Yes) != 1 {
		t.Errorf("%+v, %v", two, err)
	}
}

// TestRequestAnsweredAtOnce: who asks hears of an answer that comes before they wait.
func TestRequestAnsweredAtOnce(t *testing.T) {
	var s Requests
	var ending func(context.Context) (Request, error)
	r, err := s.Ask(wish("bob"), func(r Request) error { ending = s.Ending(r.ID); return nil })
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Change(t.Context(), r.ID, func(r Request) (Request, error) { return r.End(Denied, "alice", ""), nil }); err != nil {
		t.Fatal(err)
	}
	if got, err := ending(t.Context()); err != nil || got.Answer != Denied {
		t.Errorf("%+v, %v", got, err)
	}
}

// TestRequestLastsAsAllSay: of those who approve, who says least is heeded, whoever
// comes last.
func TestRequestLastsAsAllSay(t *testing.T) {
	for _, said := range [][2]time.Duration{{10 * time.Minute, 0}, {0, 10 * time.Minute}, {10 * time.Minute, time.Hour}, {time.Hour, 10 * time.Minute}} {
		r := wish("bob")
		r.For = 24 * time.Hour
		one, err := r.Agree(person("alice"), said[0])
		if err != nil {
			t.Fatal(err)
		}
		two, err := one.Agree(person("carol"), said[1])
		if err != nil || two.For != 10*time.Minute || r.For != 24*time.Hour {
			t.Errorf("they say %v: for %v, %v", said, two.For, err)
		}
	}
}

// TestRequestsAreBounded: somebody who asks much leaves room for others, and all have
// names of their own.
func TestRequestsAreBounded(t *testing.T) {
	var s Requests
	var ids []string
	for range maxRequestsOf {
		ids = append(ids, asks(t, &s, "mallory").ID)
	}
	if _, err := s.Ask(wish("mallory"), onRecord); err == nil {
		t.Error("mallory has more than there is for one")
	}
	for i := len(ids); i < MaxRequests; i++ {
		ids = append(ids, asks(t, &s, "p"+string(rune('a'+i/maxRequestsOf))).ID)
	}
	if _, err := s.Ask(wish("bob"), onRecord); err == nil {
		t.Error("there are more than there are to be")
	}
	if _, err := s.Change(t.Context(), ids[0], endsBy(Withdrawn)); err != nil {
		t.Fatal(err)
	}
	asks(t, &s, "bob")
	slices.Sort(ids)
	if len(slices.Compact(ids)) != MaxRequests {
		t.Error("two have one name")
	}
}

// TestRequestIsRecordedFirst: nobody sees what is not on record, and what cannot be
// onRecord is not there.
func TestRequestIsRecordedFirst(t *testing.T) {
	var s Requests
	full := errors.New("the disk is full")
	var id string
	_, err := s.Ask(wish("bob"), func(r Request) error {
		id = r.ID
		if _, ok := s.Find(id); ok || len(s.List()) != 0 {
			t.Error("it is seen")
		}
		if _, err := s.Change(t.Context(), id, endsBy(Approved)); err == nil {
			t.Error("it is answered")
		}
		return full
	})
	if _, ok := s.Find(id); !errors.Is(err, full) || ok {
		t.Errorf("%v", err)
	}
	for range maxRequestsOf { // it takes no room
		asks(t, &s, "bob")
	}
}

// TestRequestsOverdue tells of whom the time is over, from that moment on.
func TestRequestsOverdue(t *testing.T) {
	var s Requests
	r := asks(t, &s, "bob")
	if ids := s.Overdue(time.Unix(199, 0)); len(ids) != 0 {
		t.Errorf("before: %v", ids)
	}
	if ids := s.Overdue(time.Unix(200, 0)); len(ids) != 1 || ids[0] != r.ID {
		t.Errorf("then: %v", ids)
	}
}

// TestRequestIsAboutOneThing: what has its ids in another life of the server, or its
// name or place by other ids, is something else.
func TestRequestIsAboutOneThing(t *testing.T) {
	r := wish("bob")
	r.On = pane("alice", "one", "work", 1, 2, 7, 3, 9)
	linked := r.On
	linked.Links = []access.SessionRef{{ID: 4, Name: "other"}}
	if !r.Is(r.On) || !r.Is(linked) {
		t.Error("it is not about what it is about")
	}
	for name, other := range map[string]access.Object{
		"another life":    pane("alice", "two", "work", 1, 2, 7, 3, 9),
		"another pane":    pane("alice", "one", "work", 1, 2, 7, 3, 8),
		"another place":   pane("alice", "one", "work", 1, 2, 7, 4, 9),
		"another name":    pane("alice", "one", "play", 1, 2, 7, 3, 9),
		"another session": pane("alice", "one", "work", 2, 2, 7, 3, 9),
	} {
		if r.Is(other) {
			t.Errorf("%s is taken for it", name)
		}
	}
}
