package main

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/muxward/muxward/internal/acts"
	"github.com/muxward/muxward/internal/server/ctld"
)

// awaited is what waits for others, such as a request, as it is told to who waits for it.
type awaited struct {
	what     string        // in words
	takeBack string        // the act by which it is taken back
	id       func() string // its name, once it waits
	begun    func() error  // called when it waits, before its end is; an error ends the waiting
}

// await makes a call of something that waits for others, and waits for its end. Ctrl-C
// takes it back, and has that be its end.
func (f *daemonFlags) await(cmd *cobra.Command, c ctld.Call, a awaited, first, end any) error {
	at, err := f.serving()
	if err != nil {
		return err
	}
	// It is muxward that ends it at the deadline; longer nobody waits for that.
	within, _ := time.ParseDuration(c.Within) // what is none is refused there
	ctx, cancel := context.WithTimeout(context.WithoutCancel(cmd.Context()), within+2*callTime)
	defer cancel()
	stop := func() bool { return true }
	defer func() { stop() }()
	begun := func() error {
		if err := a.begun(); err != nil {
			return err
		}
		stop = context.AfterFunc(cmd.Context(), func() { // Ctrl-C
			short, done := context.WithTimeout(ctx, callTime)
			defer done()
			if (ctld.Call{Act: a.takeBack, Request: a.id()}).Do(short, at.Ctl, nil) != nil {
				cancel() // it has ended just then, or ends with the connection
			}
		})
		return nil
	}
	err = c.Follow(ctx, at.Ctl, callTime, first, begun, end)
	if err != nil && cmd.Context().Err() != nil {
		return fmt.Errorf("the %s ends with this: %w", a.what, acts.ErrWithdrawn)
	}
	return err
}

// withdraw takes back what waits for others, and gives it as it ended.
func withdraw(cmd *cobra.Command, f *daemonFlags, c ctld.Call, what string, end any) error {
	if err := f.call(cmd.Context(), c, end); err != nil {
		return err
	}
	if f.json {
		return printJSON(cmd, end)
	}
	_, err := fmt.Fprintf(cmd.OutOrStdout(), "%s %s is taken back\n", what, c.Request)
	return err
}
