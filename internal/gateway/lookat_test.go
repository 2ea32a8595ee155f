package gateway

import (
	"context"
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
