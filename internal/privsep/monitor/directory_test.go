package monitor

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/muxward/muxward/internal/accounts"
	"github.com/muxward/muxward/internal/config"
	"github.com/muxward/muxward/internal/nss"
	"github.com/muxward/muxward/internal/privsep"
	"github.com/muxward/muxward/internal/tmux/tmuxtest"
)

// toyDirectory has dora, and does not answer about anybody of a number below ten.
type toyDirectory struct{ asked chan struct{} }

func (d toyDirectory) ByUID(ctx context.Context, uid uint32) (accounts.Account, error) {
	switch {
	case uid == 70001:
		return accounts.Account{Name: "dora", UID: uid, GID: 70001, Groups: []uint32{7}, Home: "/", Shell: "/bin/sh", Directory: true, In: []string{"devs"}}, nil
	case uid < 10:
		d.asked <- struct{}{}
		<-ctx.Done()
		return accounts.Account{}, ctx.Err()
	}
	return accounts.Account{}, accounts.ErrNoAccount
}

func (d toyDirectory) ByName(ctx context.Context, name string) (accounts.Account, error) {
	switch {
	case strings.HasPrefix(name, "mwslow"):
		return d.ByUID(ctx, 1)
	case name == "mwsilent":
		return accounts.Account{}, fmt.Errorf("%w: %w", unix.ENOENT, accounts.ErrUnanswered)
	case name != "dora":
		return accounts.Account{}, errors.New("it is broken")
	}
	return d.ByUID(ctx, 70001)
}

// The daemon hears of accounts of the directory; one account's questions that hang take no other's turns.
func TestAccount(t *testing.T) {
	d := toyDirectory{make(chan struct{}, 9)}
	b := newBed(t, func(p *Parts) {
		p.Directory = d
		p.Copy = func(a accounts.Account) (*os.File, error) { return nil, errors.New("the home of " + a.Name) }
	})
	c := b.connect()
	ctx, over := context.WithTimeout(t.Context(), 2*tmuxtest.Patience)
	defer over()
	byUID, err := c.Directory().ByUID(ctx, 70001)
	byName, errName := c.Directory().ByName(ctx, "dora")
	if err != nil || errName != nil || byUID.Name != "dora" || byName.UID != 70001 || !byUID.Directory || len(byUID.Groups) != 1 || len(byName.In) != 1 {
		t.Errorf("%+v, %v; %+v, %v", byUID, err, byName, errName)
	}
	if a, err := c.Directory().ByName(ctx, ""); !errors.Is(err, accounts.ErrNoAccount) {
		t.Errorf("no name: %+v, %v", a, err)
	}
	if a, err := c.Directory().ByUID(ctx, 70002); !errors.Is(err, accounts.ErrNoAccount) {
		t.Errorf("%+v, %v", a, err)
	}
	if a, err := c.Directory().ByName(ctx, "erin"); err == nil || errors.Is(err, accounts.ErrNoAccount) || errors.Is(err, accounts.ErrUnanswered) {
		t.Errorf("%+v, %v", a, err)
	}
	// What is not answered is heard as that, so that nobody's keys are taken away for it.
	if a, err := c.Directory().ByName(ctx, "mwsilent"); !errors.Is(err, accounts.ErrUnanswered) || errors.Is(err, accounts.ErrNoAccount) {
		t.Errorf("%+v, %v", a, err)
	}
	if _, err := c.AuthKeys(ctx, "mwsilent", 10); !errors.Is(err, unix.ETIMEDOUT) {
		t.Errorf("keys of whom the directory does not tell: %v", err)
	}
	if _, err := c.AuthKeys(ctx, "dora", 10); err == nil || !strings.Contains(err.Error(), "the home of dora") {
		t.Errorf("her keys: %v", err)
	}
	short, cancel := context.WithCancel(ctx)
	for range 8 {
		go func() { _, _ = c.Directory().ByUID(short, 7) }()
	}
	for range 4 {
		<-d.asked
	}
	if a, err := c.Directory().ByUID(ctx, 70001); err != nil {
		t.Errorf("beside those: %+v, %v", a, err)
	}
	if len(d.asked) != 0 { // before those are over: others have their turns then
		t.Error("one account has all the turns")
	}
	cancel()
}

// Homes of people of whom the directory does not tell take no turns from root's, whom the files have.
func TestHomesBesideADirectory(t *testing.T) {
	d := toyDirectory{make(chan struct{}, 99)}
	b := newBed(t, func(p *Parts) {
		p.Directory = d
		p.Copy = func(a accounts.Account) (*os.File, error) { return nil, errors.New("the home of " + a.Name) }
	})
	c := b.connect()
	ctx, cancel := context.WithTimeout(t.Context(), tmuxtest.Patience)
	defer cancel()
	over := make(chan error, 99)
	for i := range privsep.AtOnce()[privsep.NumAuthKeys] {
		go func() {
			_, err := c.AuthKeys(ctx, fmt.Sprint("mwslow", i), 10)
			over <- err
		}()
	}
	for range maxNaming {
		<-d.asked
	}
	for range privsep.AtOnce()[privsep.NumAuthKeys] - maxNaming {
		if err := <-over; !errors.Is(err, unix.EAGAIN) {
			t.Errorf("one more: %v", err)
		}
	}
	if _, err := c.AuthKeys(ctx, "root", 10); err == nil || !strings.Contains(err.Error(), "the home of root") {
		t.Errorf("root's: %v", err)
	}
}

// A helper that asks no directory says so, and a daemon that asks what none of ours does is ended.
func TestAccountRefused(t *testing.T) {
	b := newBed(t)
	if a, err := b.connect().Directory().ByUID(t.Context(), 70001); err == nil || !strings.Contains(err.Error(), "asks no directory") {
		t.Errorf("%+v, %v", a, err)
	}
	for _, w := range []privsep.Whose{{Name: "dora", UID: 1}, {Name: strings.Repeat("x", 300)}} {
		b := newBed(t, func(p *Parts) { p.Directory = toyDirectory{} })
		c := b.connect()
		if _, err := c.Call(t.Context(), privsep.NumAccount, w, &privsep.Told{}); err == nil {
			t.Errorf("%+v is answered", w)
		}
		if err := b.ended(); err == nil || !strings.Contains(err.Error(), "no name of an account") {
			t.Errorf("%+v: %v", w, err)
		}
	}
}

// What is done for an account is decided by what was told here: the daemon's name and number have to be those
// that the directory has.
func TestServesOfADirectory(t *testing.T) {
	dir := tmuxtest.Dir(t, tmuxtest.Account{})
	script := "#!/bin/sh\ncase $1-$2 in\npasswd-*) echo dora:x:70001:70001::/home/dora:/bin/sh ;;\ninitgroups-*) echo dora ;;\n*) exit 2 ;;\nesac\n"
	if err := tmuxtest.WriteProgram(dir+"/getent", []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
	o := nss.System()
	o.Getent = dir + "/getent"
	s := &setting{account: accounts.Account{Name: "ward", UID: 70005}, config: config.Config{AccountsFrom: []string{"files", "nss"}, Account: "ward"}, directory: nss.New(o)}
	t.Cleanup(s.directory.Close)
	if a, err := s.serves(t.Context(), "dora", 70001); err != nil || a.Home != "/home/dora" {
		t.Errorf("%+v, %v", a, err)
	}
	for _, c := range []struct {
		name string
		uid  uint32
	}{{"erin", 70001}, {"dora", 70002}, {"dora", 0}, {"root", 70001}, {"root", 0}, {"dora", accounts.NoID}} {
		if a, err := s.serves(t.Context(), c.name, c.uid); err == nil {
			t.Errorf("%+v: %+v", c, a)
		}
	}
	s.config.Accounts = []string{"erin"}
	if a, err := s.serves(t.Context(), "dora", 70001); err == nil {
		t.Errorf("not listed: %+v", a)
	}
	s.config.Accounts, s.directory = nil, nil
	if a, err := s.serves(t.Context(), "dora", 70001); err == nil {
		t.Errorf("no directory is asked: %+v", a)
	}
}
