package gateway

import (
	"context"
	"runtime"
	"slices"
	"testing"
)

// What is put off is done once, in its order, when it is told to go on, also behind what
// does not end; what comes later, or without anything to wait for, at once.
func TestAfterwards(t *testing.T) {
	var done []string
	over, never := make(chan struct{}), make(chan struct{})
	defer close(never)
	does := func(what string) func() { return func() { done = append(done, what) } }
	Afterwards(t.Context(), does("at once"))
	ctx, goOn := Behind(t.Context())
	Afterwards(ctx, does("first"))
	Afterwards(ctx, func() { panic("it is nobody else's") })
	Afterwards(ctx, func() { <-never })
	Afterwards(context.WithValue(ctx, liveKey{}, nil), does("second"))
	Afterwards(ctx, func() { close(over) })
	if !slices.Equal(done, []string{"at once"}) {
		t.Fatalf("before anything goes on: %q", done)
	}
	goOn()
	<-over
	goOn()
	Afterwards(ctx, does("later"))
	if want := []string{"at once", "first", "second", "later"}; !slices.Equal(done, want) {
		t.Errorf("done: %q, want %q", done, want)
	}
}

// Who ends the goroutine that they are done in, as a test that fails does, and several that do
// not end, keep nothing from those behind them, and nothing is done twice.
func TestInTurn(t *testing.T) {
	never := make(chan struct{})
	defer close(never)
	over := make(chan string, 8)
	does := func(what string) func() { return func() { over <- what } }
	stays := func() { <-never }
	inTurn([]func(){does("a"), runtime.Goexit, does("b"), stays, stays, does("c"), runtime.Goexit, runtime.Goexit, does("d"), stays})
	close(over)
	var done []string
	for what := range over {
		done = append(done, what)
	}
	if want := []string{"a", "b", "c", "d"}; !slices.Equal(done, want) {
		t.Errorf("done: %q, want %q", done, want)
	}
}
