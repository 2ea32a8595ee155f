package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/muxward/muxward/internal/access"
	"github.com/muxward/muxward/internal/audit"
	"github.com/muxward/muxward/internal/gateway"
	"github.com/muxward/muxward/internal/identity"
	"github.com/muxward/muxward/internal/server/ctld"
	"github.com/muxward/muxward/internal/tmux"
	"github.com/muxward/muxward/internal/tmux/wire"
)

// Bounds of looking for what somebody has left: how many records are read, how long a
// server is asked and the log read, how many things are told, and how long all of it
// takes, ending them included.
const (
	leftRecords  = 200_000
	leftAsking   = 2 * time.Second
	leftReading  = 8 * time.Second
	mostLeft     = 500
	leftBehindIn = 15 * time.Second
)

// leftBehindAct tells what a person began that goes on, and ends panes that they made
// if that is asked for.
func (d *daemon) leftBehindAct(who identity.Identity, c ctld.Call) (*gateway.Act, error) {
	person, err := identity.CanonicalName(c.Person)
	if err != nil {
		return nil, err
	}
	a := &gateway.Act{Name: "left-behind", Args: []string{person}, Target: c.Target, Verb: access.Audit}
	if a.Target == "" && !c.All {
		a.Target = who.Person()
	}
	if a.Target != "" {
		a.Args = append(a.Args, "-t", a.Target)
	}
	if c.Hangup {
		a.Args = append(a.Args, "--hangup")
	}
	a.Do = func(ctx context.Context, o access.Object) (gateway.Result, error) {
		ctx, cancel := context.WithTimeout(ctx, leftBehindIn)
		defer cancel()
		l, err := d.leftBehind(ctx, person, o)
		if err != nil || !c.Hangup {
			return gateway.Result{Value: l}, err
		}
		for i := range l.Things {
			if t := &l.Things[i]; t.Sure && t.Kind == leftPane && t.pane != nil {
				t.Hangup = "ended"
				if err := d.hangUp(ctx, who, t); err != nil {
					t.Hangup = "not ended: " + err.Error()
				}
			}
		}
		return gateway.Result{Value: l}, nil
	}
	return a, nil
}

// leftBehind looks for it, by the log and what there is now.
func (d *daemon) leftBehind(ctx context.Context, person string, o access.Object) (leftBehind, error) {
	l := leftBehind{Person: person, Things: []leftThing{}}
	r := leftReader{person: person, scope: o, servers: map[string]*leftServer{}, asked: map[uint64]leftIntent{}, typed: map[string]leftThing{}}
	for _, s := range d.guard.Servers() {
		if o.Kind >= access.Server && s.Owner() != o.Owner {
			continue
		}
		short, cancel := context.WithTimeout(ctx, leftAsking)
		snap, err := s.Snapshot(short, tmux.Full)
		cancel()
		if err != nil {
			l.note(fmt.Sprintf("%s's tmux server does not tell its state, so nothing there is listed: %v", s.Owner(), err))
			continue
		}
		r.servers[audit.Escape(s.Owner()+"#"+s.Incarnation())] = &leftServer{s, snap}
	}
	reading, cancel := context.WithTimeout(ctx, leftReading)
	defer cancel()
	for rec, err := range audit.Tail(reading, filepath.Join(d.config.State, "audit"), leftRecords, false, audit.Filter{}) {
		if err != nil {
			l.note("some of the log cannot be read; see: muxward audit verify")
			continue
		}
		if l.Records++; l.Records == 1 {
			l.Since = rec.Time
			if rec.Seq > 1 {
				l.note("there is more of the log before that")
			}
		}
		r.read(&rec)
	}
	if reading.Err() != nil {
		return l, errors.New("the log is too long to be read in time; see: muxward audit query --who " + person)
	}
	r.rest()
	l.Things = append(l.Things, d.leftGrants(person, o)...)
	l.Things = append(l.Things, r.things...)
	if len(l.Things) > mostLeft {
		// The latest are told.
		l.More = len(l.Things) - mostLeft
		l.Things = l.Things[l.More:]
	}
	all := processTable()
	for i := range l.Things {
		if t := &l.Things[i]; t.pane != nil {
			t.Name, t.Processes = nameOf(t.place, t.pane), ofPane(all, t.place, t.pane)
		}
	}
	return l, nil
}

// leftGrants are what they gave to others there, and nobody has taken back.
func (d *daemon) leftGrants(person string, o access.Object) (out []leftThing) {
	for _, g := range d.given() {
		if g.Giver.Person != person || o.Kind >= access.Server && g.On.Owner != o.Owner ||
			o.Kind >= access.Session && (g.On.Kind < access.Session || g.On.Session.ID != o.Session.ID) {
			continue
		}
		out = append(out, leftThing{
			Sure: true, Kind: leftGrant, On: g.On.String(), Name: targetName(g.Target), When: g.At,
			Command: []string{"grant", fmt.Sprint(g.ID), "to", g.Who, g.What},
		})
	}
	return out
}

// hangUp ends a pane, as a request of who asks for it: it is decided and written as if
// they had typed it.
func (d *daemon) hangUp(ctx context.Context, who identity.Identity, t *leftThing) error {
	server := t.place.server
	said := &quietClient{}
	base := gateway.Request{
		Identity: who, Here: server.Owner(), Incarnation: server.Incarnation(), Client: said,
		Door: server.InnerDoor().Path(),
	}
	reqs, err := d.gateway.Parse(ctx, base, []string{"kill-pane", "-t", t.pane.ID.String()})
	if err != nil {
		return err
	}
	for _, req := range reqs {
		result, err := d.gateway.Handle(ctx, req)
		if result.Release != nil {
			result.Release()
		}
		switch {
		case err != nil:
			return err
		case result.Exit != 0:
			return fmt.Errorf("tmux says: %s", strings.TrimSpace(said.out.String()+result.Message))
		}
	}
	return nil
}

// quietClient is the client of a command that nobody's client gave: it has no terminal
// and no files, and keeps what is printed.
type quietClient struct{ out bytes.Buffer }

func (*quietClient) Hello() *wire.Hello                          { return &wire.Hello{Flags: wire.FlagUTF8, Cwd: "/"} }
func (*quietClient) Send(context.Context, ...wire.Message) error { return nil }
func (*quietClient) Files() <-chan wire.Message                  { return nil }
func (*quietClient) Events() <-chan wire.Message                 { return nil }
func (*quietClient) Stream() int32                               { return 1 }
func (*quietClient) Terminal() (*os.File, error)                 { return nil, errors.New("there is no terminal") }
func (*quietClient) Connection() (*os.File, error)               { return nil, errors.New("there is no connection") }
func (c *quietClient) Print(_ context.Context, _ int, data []byte) error {
	if c.out.Len() < 4<<10 {
		c.out.Write(data)
	}
	return nil
}
