package keep

import (
	"encoding/json"
	"errors"
	"os"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/muxward/muxward/internal/accounts"
	"github.com/muxward/muxward/internal/identity"
)

// A caller that is not the one it should be gets nothing that is not a server or a door
// of its own making.
func TestCallersAreNotBelieved(t *testing.T) {
	w := newWorld(t)
	h, _ := w.opened("alice")
	k, ctx := w.k, t.Context()
	long := strings.Repeat("x", 1<<20)
	ids := []string{"", ".", "..", "../x", h.ID + "/", "/" + h.ID, strings.ToUpper(h.ID) + "A", "0000000g", h.ID + "\x00", long}
	for _, id := range ids {
		for name, do := range map[string]func() error{
			"adopt":   func() error { _, err := k.Adopt(ctx, id); return err },
			"abandon": func() error { return k.Abandon(ctx, id) },
			"connect": func() error { f, err := k.Connect(ctx, id); closeIf(f); return err },
			"mend":    func() error { return k.Mend(ctx, id) },
			"note":    func() error { return k.Note(ctx, id, Said{}) },
			"door": func() error {
				if id == "" { // which names no server, and so the account ""
					return ErrRefused
				}
				o, err := k.OpenDoor(ctx, Place{Server: id})
				closeIf(o.Listen)
				return err
			},
		} {
			if err := do(); !errors.Is(err, ErrRefused) || len(err.Error()) > 500 {
				t.Errorf("%s of %.40q: %.600v", name, id, err)
			}
		}
		if err := k.CloseDoor(ctx, Place{Server: id}); err != nil {
			t.Errorf("close %.40q: %v", id, err)
		}
	}
	me, wrongUID := w.named(), w.named()
	wrongUID.UID++
	for what, o := range map[string]Order{
		"no owner":           {Account: me},
		"a path for owner":   {Owner: "../x", Account: me},
		"a long owner":       {Owner: long, Account: me},
		"an upper owner":     {Owner: "Alice", Account: me},
		"no account":         {Owner: "bob"},
		"another name":       {Owner: "bob", Account: Account{"root", me.UID}},
		"another uid":        {Owner: "bob", Account: wrongUID},
		"root's uid":         {Owner: "bob", Account: Account{me.Name, 0}},
		"a long name":        {Owner: "bob", Account: Account{long, me.UID}},
		"a name with a line": {Owner: "bob", Account: Account{me.Name + "\n", me.UID}},
		"much environment":   {Owner: "bob", Account: me, Environ: []string{"LC_A=" + long}},
		"many variables":     {Owner: "bob", Account: me, Environ: make([]string, MaxEnviron+1)},
		"one more":           {Owner: "alice", Account: me},
	} {
		if _, err := k.Start(ctx, o); !errors.Is(err, ErrRefused) || len(err.Error()) > 500 {
			t.Errorf("%s: %.600v", what, err)
		}
		if o.Account != me {
			if _, err := k.OpenDoor(ctx, Place{Account: o.Account}); !errors.Is(err, ErrRefused) {
				t.Errorf("a door for %s: %.600v", what, err)
			}
		}
	}
	for what, err := range map[string]error{
		"a door of both":     second(k.OpenDoor(ctx, Place{Account: me, Server: h.ID})),
		"the inner door":     second(k.OpenDoor(ctx, Place{Server: h.ID})),
		"to end it":          k.Abandon(ctx, h.ID),
		"to adopt it":        second(k.Adopt(ctx, h.ID)),
		"a version":          k.Note(ctx, h.ID, Said{Version: "3.4\n"}),
		"a long version":     k.Note(ctx, h.ID, Said{Version: long}),
		"a start before all": k.Note(ctx, h.ID, Said{Started: -1}),
	} {
		if !errors.Is(err, ErrRefused) {
			t.Errorf("%s: %.600v", what, err)
		}
	}
	if err := second(k.Connect(ctx, "00000000")); !errors.Is(err, ErrEnded) {
		t.Errorf("a server that was never there: %v", err)
	}
	if n := len(k.list()); n != 1 {
		t.Errorf("%d servers", n)
	}
	if ents, _ := os.ReadDir(w.opt.Doors); len(ents) != 2 { // .lock and the inner door's
		t.Errorf("doors: %v", ents)
	}
	f, err := k.Connect(ctx, h.ID) // the control run: it is asked for properly
	if err != nil {
		t.Fatal(err)
	}
	closeIf(f)
}

func second[T any](_ T, err error) error { return err }

func closeIf(f *os.File) {
	if f != nil {
		_ = f.Close()
	}
}

// Whoever reads the account files themselves is told what they say.
func TestListed(t *testing.T) {
	if a, err := Listed(t.Context(), "root", 0); err != nil || a.UID != 0 {
		t.Errorf("%+v, %v", a, err)
	}
	for _, c := range []Account{{"root", 61999}, {"nobodysname", 0}, {"", 0}} {
		if a, err := Listed(t.Context(), c.Name, c.UID); !errors.Is(err, accounts.ErrNoAccount) {
			t.Errorf("%+v: %+v, %v", c, a, err)
		}
	}
}

// Root is told for whom it may work, or does not begin.
func TestRootNeedsAccounts(t *testing.T) {
	w := newWorld(t)
	if err := w.k.Close(); err != nil {
		t.Fatal(err)
	}
	opt := w.opt
	opt.Account = nil
	k, err := New(opt)
	if asRoot() == (err == nil) {
		t.Errorf("%v", err)
	}
	if err == nil {
		_ = k.Close()
	}
}

// Numbers that mean "leave it as it is" to the kernel are nobody's, whoever names them: a
// caller, the account files, a record.
func TestNobodysNumbers(t *testing.T) {
	w := newWorld(t)
	_, record := w.start("alice"), record{}
	for name, change := range map[string]func(*accounts.Account){
		"uid":   func(a *accounts.Account) { a.UID = accounts.NoID },
		"gid":   func(a *accounts.Account) { a.GID = accounts.NoID },
		"group": func(a *accounts.Account) { a.Groups = []uint32{7, accounts.NoID} },
	} {
		was := w.acct
		change(&w.acct)
		for what, err := range map[string]error{
			"a server": second(w.k.Start(t.Context(), w.order("bob"))),
			"a door":   second(w.k.OpenDoor(t.Context(), Place{Account: w.named()})),
		} {
			if !errors.Is(err, ErrRefused) {
				t.Errorf("%s, %s: %v", name, what, err)
			}
		}
		record.ID, record.Mark, record.Owner, record.Account = randomHex(IDLen), randomHex(markLen), "bob", w.acct
		data, err := json.Marshal(record)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := parseRecord(data); err == nil {
			t.Errorf("%s: a record was taken", name)
		}
		w.acct = was
	}
	if err := second(connectAs("/", accounts.NoID)); !errors.Is(err, unix.EINVAL) {
		t.Errorf("connect: %v", err)
	}
}

// An owner's name is what a person's name is elsewhere.
func TestOwners(t *testing.T) {
	for _, s := range []string{"", "a", "_", "a.b-c_9", "9a", ".a", "-a", "A", "ä", "a b", "a/b", "a\n", strings.Repeat("a", 64), strings.Repeat("a", 65)} {
		if _, err := identity.CanonicalName(s); validOwner(s) != (err == nil) {
			t.Errorf("%q: %t, elsewhere %v", s, validOwner(s), err)
		}
	}
}

func TestTaken(t *testing.T) {
	got := Taken([]string{"TERM=a", "TERM=b", "PATH=/x", "HOME=/x", "LD_PRELOAD=x", "TMUX=/x", "LC_=", "LC_X=y", "LC_\n=y", "LC_x=y", "SHELL=sh",
		"EDITOR=a\x00b", "LANG=" + strings.Repeat("x", MaxVariable+1), "novalue", "=x"})
	if want := []string{"TERM=b", "PATH=/x", "LC_X=y"}; !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
	var many []string
	for _, c := range "ABCDEFGHIJ" {
		many = append(many, "LC_"+string(c)+"="+strings.Repeat("x", MaxVariable))
	}
	size := 0
	for _, kv := range Taken(many) {
		size += len(kv)
	}
	if size == 0 || size > MaxEnviron {
		t.Errorf("%d bytes", size)
	}
	if env := with([]string{"PATH=/a", "LANG=C"}, []string{"PATH=/b"}); !slices.Equal(env, []string{"LANG=C", "PATH=/b"}) {
		t.Errorf("%q", env)
	}
}

// Names of configuration files that no server can be told of.
func TestConfigurationRefuses(t *testing.T) {
	for _, bad := range []string{"a\nb", "relative", "", "/x\x7f"} {
		if _, err := configuration("m", []string{bad}); err == nil {
			t.Errorf("%q was taken", bad)
		}
	}
}

// What a line carries of an error is enough to make it anew.
func TestFaults(t *testing.T) {
	for f := Fault(1); f.Valid(); f++ {
		err := f.WithText("x")
		if FaultOf(err) != f || err.Error() != "x" || !errors.Is(err, f) || strings.HasPrefix(f.Error(), "fault") {
			t.Errorf("%d: %v, %d", f, err, FaultOf(err))
		}
	}
	if err := Fault(0).WithText("x"); FaultOf(err) != 0 || err.Error() != "x" {
		t.Error(err)
	}
	if Fault(200).Valid() || FaultOf(nil) != 0 {
		t.Error("there are more")
	}
}

// What an earlier one has left is looked for once, and not while something of ours is
// being made, which looks like it.
func TestFoundOnceAndFirst(t *testing.T) {
	w := newWorld(t)
	litter := func() string {
		t.Helper()
		p := w.opt.Run + "/servers/01234567.conf"
		if err := os.WriteFile(p, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		return p
	}
	if _, err := w.k.beginFind(); err != nil {
		t.Fatal(err)
	}
	for what, err := range map[string]error{
		"start": second(w.k.Start(t.Context(), w.order("alice"))),
		"adopt": second(w.k.Adopt(t.Context(), "01234567")),
		"open":  second(w.k.OpenDoor(t.Context(), Place{Account: w.named()})),
	} {
		if !errors.Is(err, ErrBusy) {
			t.Errorf("%s meanwhile: %v", what, err)
		}
	}
	w.k.endFind(nil, errors.New("it failed"))
	p := litter()
	record := w.opt.Run + "/servers/89abcdef.json"
	if err := os.WriteFile(record, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for range 2 { // the first answer may get lost; nothing is cleared away for the second
		if ids, err := w.k.Found(t.Context()); err != nil || len(ids) != 1 || ids[0] != "89abcdef" {
			t.Errorf("%q, %v", ids, err)
		}
		if _, err := os.Lstat(p); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("%v", err)
		}
		p = w.opt.Run + "/servers/none.conf"
	}
	refused := func(what string) {
		t.Helper()
		p := litter() // what a start has made by now
		if err := second(w.k.Found(t.Context())); !errors.Is(err, ErrRefused) {
			t.Errorf("%s: %v", what, err)
		}
		if _, err := os.Lstat(p); err != nil {
			t.Errorf("%s: %v", what, err)
		}
	}
	if p := litter(); true { // something that looks like it, and may be ours by now
		if err := second(w.k.Found(t.Context())); err != nil {
			t.Error(err)
		}
		if _, err := os.Lstat(p); err != nil {
			t.Error(err)
		}
	}
	if err := second(w.k.Adopt(t.Context(), "89abcdef")); err == nil {
		t.Error("an empty record was believed")
	}
	refused("after something else")
	if err := w.k.Close(); err != nil {
		t.Fatal(err)
	}
	w.open()
	w.start("alice")
	refused("later")
}
