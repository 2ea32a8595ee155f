package nss

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/muxward/muxward/internal/accounts"
	"github.com/muxward/muxward/internal/tmux/tmuxtest"
)

func TestMain(m *testing.M) { os.Exit(tmuxtest.Main(tmuxtest.LeakChecked{Runner: m})) }

// toy is a switch whose getent prints the files of a directory: DATABASE-KEY.
type toy struct {
	*Switch
	t   *testing.T
	dir string
	mu  sync.Mutex
	at  time.Time
}

const toyGetent = `#!/bin/sh
echo "$1 $2 $(id -u)" >> DIR/asked
if [ -e DIR/hangs ] || [ -e "DIR/hangs-$2" ]; then echo $$ >> DIR/pids; sleep 60 & wait; fi
[ -e DIR/floods ] && exec cat /dev/zero
[ -e DIR/fails ] && exit 3
if [ -e DIR/goes ]; then
	[ "$1" = initgroups ] && echo "$2 " && exit
	grep -q ^initgroups DIR/asked && exit 2
fi
[ -e "DIR/$1-$2" ] || exit 2
exec cat "DIR/$1-$2"
`

func newToy(t *testing.T, change func(*Options)) *toy {
	t.Helper()
	w := &toy{t: t, dir: tmuxtest.Dir(t, tmuxtest.Account{}), at: time.Unix(1e9, 0)}
	o := Options{Files: accounts.Files{Passwd: w.dir + "/etc-passwd", Group: w.dir + "/etc-group"}, Subuid: w.dir + "/subuid", Subgid: w.dir + "/subgid",
		Groups: []string{"staff", "devs", "gone", "big crew"}, Getent: w.dir + "/getent", patience: tmuxtest.Patience, again: tmuxtest.Patience,
		Now: func() time.Time { w.mu.Lock(); defer w.mu.Unlock(); return w.at }}
	w.write("etc-passwd", "root:x:0:0::/root:/bin/sh\nalice:x:5001:5001::/home/alice:/bin/sh\nnoshell:x:5002\n")
	w.write("etc-group", "root:x:0:\nshadow:x:42:\nusers:x:100:\nvideo:x:44:dora\nalice:x:5001:\nlocal:x:7000:dora\nstaff:x:7001:alice\n")
	w.write("subuid", "alice:100000:65536\n")
	w.write("subgid", "alice:200000:65536\n")
	w.write("asked", "")
	w.write("pids", "")
	for _, name := range []string{"asked", "pids"} {
		if err := os.Chmod(w.dir+"/"+name, 0o666); err != nil {
			t.Fatal(err)
		}
	}
	if err := tmuxtest.WriteProgram(w.dir+"/getent", []byte(strings.ReplaceAll(toyGetent, "DIR", w.dir)), 0o755); err != nil {
		t.Fatal(err)
	}
	if change != nil {
		change(&o)
	}
	w.Switch = New(o)
	t.Cleanup(w.Close)
	return w
}

func (w *toy) write(name, text string) {
	w.t.Helper()
	if err := os.WriteFile(filepath.Join(w.dir, name), []byte(text), 0o644); err != nil {
		w.t.Fatal(err)
	}
}

func (w *toy) remove(names ...string) {
	w.t.Helper()
	for _, n := range names {
		if err := os.Remove(filepath.Join(w.dir, n)); err != nil {
			w.t.Fatal(err)
		}
	}
}

func (w *toy) pass(by time.Duration) { w.mu.Lock(); defer w.mu.Unlock(); w.at = w.at.Add(by) }

// has has the directory have an account, in both directions.
func (w *toy) has(name string, uid, gid uint32, groups string) {
	w.t.Helper()
	line := fmt.Sprintf("%s:*:%d:%d:Dora,,,:/home/%s:/bin/bash\n", name, uid, gid, name)
	w.write("passwd-"+name, line)
	w.write("passwd-"+strconv.Itoa(int(uid)), line)
	w.write("initgroups-"+name, fmt.Sprintf("%-21s %s\n", name, groups))
}

func (w *toy) asked() int {
	w.t.Helper()
	text, err := os.ReadFile(w.dir + "/asked")
	if err != nil {
		w.t.Fatal(err)
	}
	if os.Geteuid() == 0 && strings.Count(string(text), fmt.Sprintf(" %d\n", Nobody)) != strings.Count(string(text), "\n") {
		w.t.Errorf("it was asked as another than %d:\n%s", Nobody, text)
	}
	return strings.Count(string(text), "\n")
}

// The directory cannot be reached any more between what is asked about an account: getent says, as real ones do,
// that dora has no groups, and then that there is no such account. What was told before counts, with her groups.
func TestGoesMeanwhile(t *testing.T) {
	w := newToy(t, nil)
	w.has("dora", 70001, 70001, "70100")
	w.write("group-devs", "devs:*:70100:dora\n")
	w.write("asked", "")
	first, err := w.ByUID(t.Context(), 70001)
	if err != nil || len(first.Groups) != 3 || len(first.In) != 1 {
		t.Fatalf("%+v, %v", first, err)
	}
	w.pass(fresh + time.Second)
	w.write("goes", "")
	w.write("asked", "")
	if a, err := w.ByUID(t.Context(), 70001); err != nil || !reflect.DeepEqual(a, first) {
		t.Errorf("%+v, %v, and before it was %+v", a, err, first)
	}
	w.pass(Age)
	w.write("asked", "")
	if a, err := w.ByUID(t.Context(), 70001); !errors.Is(err, accounts.ErrNoAccount) {
		t.Errorf("it has gone for long: %+v, %v", a, err)
	}
}

// An account of the directory, by its number and its name, with its own groups and those that the files give it.
func TestDirectoryAccount(t *testing.T) {
	w := newToy(t, nil)
	w.has("dora", 70001, 70001, "70001 42 44 7000 7001 70100 4294967294 90 61184 65535 250000 70200")
	w.write("group-devs", "devs:*:70100:x,y\n")
	w.write("group-staff", "staff:*:70200:dora\n") // staff is the files'
	w.write("group-big crew", "big crew:*:70300:\n")
	want := accounts.Account{Name: "dora", UID: 70001, GID: 70001, Groups: []uint32{44, 7000, 70100, 4294967294, 70200}, Home: "/home/dora", Shell: "/bin/bash", Directory: true, In: []string{"devs"}}
	for range 2 {
		a, err := w.ByUID(t.Context(), 70001)
		b, err2 := w.ByName(t.Context(), "dora")
		if err != nil || err2 != nil || !reflect.DeepEqual(a, want) || !reflect.DeepEqual(b, want) {
			t.Fatalf("%+v, %v\n%+v, %v", a, err, b, err2)
		}
	}
	if n := w.asked(); n != 12 { // by either: twice passwd, its groups, three of the host
		t.Errorf("it was asked %d times", n)
	}
	for _, group := range []string{"devs", "local"} {
		if !w.opt.Files.Member(want)(group) {
			t.Errorf("she is not in %s", group)
		}
	}
	if in := w.opt.Files.Member(want); in("staff") || in("shadow") || in("big crew") {
		t.Error("she is in groups that others are in")
	}
	before := w.asked()
	if a, err := w.ByUID(t.Context(), 5001); err != nil || a.Name != "alice" || a.Directory {
		t.Errorf("%+v, %v", a, err)
	}
	if a, err := w.ByName(t.Context(), "root"); err != nil || a.UID != 0 || w.asked() != before {
		t.Errorf("the directory is asked about the files' own: %+v, %v", a, err)
	}
}

// What a directory says is not believed of the host's own names, numbers and groups, nor what it does not say
// in both directions.
func TestNotBelieved(t *testing.T) {
	entry := func(name string, uid, gid int) string {
		return fmt.Sprintf("%s:*:%d:%d::/home/x:/bin/sh\n", name, uid, gid)
	}
	for what, c := range map[string]struct {
		by, other string // keys
		first     string // what is said of by
		second    string // and of the other
		none      bool   // it is as if there were no such account
	}{
		"another number":           {"70001", "dora", entry("dora", 70002, 70001), entry("dora", 70002, 70001), false},
		"another name":             {"dora", "70001", entry("erin", 70001, 70001), entry("erin", 70001, 70001), false},
		"root's name":              {"70001", "root", entry("root", 70001, 70001), entry("root", 70001, 70001), true},
		"alice's name":             {"70001", "alice", entry("alice", 70001, 70001), entry("alice", 70001, 70001), true},
		"a name of a broken line":  {"70001", "noshell", entry("noshell", 70001, 70001), entry("noshell", 70001, 70001), true},
		"a number of a broken one": {"5002", "dora", entry("dora", 5002, 70001), entry("dora", 5002, 70001), true},
		"root's number":            {"dora", "0", entry("dora", 0, 70001), entry("dora", 0, 70001), true},
		"alice's number":           {"dora", "5001", entry("dora", 5001, 70001), entry("dora", 5001, 70001), true},
		"a system's number":        {"dora", "999", entry("dora", 999, 70001), entry("dora", 999, 70001), true},
		"nobody's number":          {"dora", "65534", entry("dora", 65534, 70001), entry("dora", 65534, 70001), true},
		"who asks":                 {"65533", "dora", entry("dora", 65533, 70001), entry("dora", 65533, 70001), true},
		"no number at all":         {"dora", "4294967295", entry("dora", 4294967295, 70001), entry("dora", 4294967295, 70001), false},
		"a number lent to alice":   {"100001", "dora", entry("dora", 100001, 70001), entry("dora", 100001, 70001), true},
		"root's group":             {"70001", "dora", entry("dora", 70001, 0), entry("dora", 70001, 0), true},
		"a group of the host":      {"70001", "dora", entry("dora", 70001, 7001), entry("dora", 70001, 7001), true},
		"a service's group":        {"70001", "dora", entry("dora", 70001, 61184), entry("dora", 70001, 61184), true},
		"a group lent to alice":    {"70001", "dora", entry("dora", 70001, 200001), entry("dora", 70001, 200001), true},
		"one direction":            {"70001", "dora", entry("dora", 70001, 70001), "", true},
		"another the other way":    {"70001", "dora", entry("dora", 70001, 70001), entry("dora", 70003, 70001), false},
		"another home then":        {"70001", "dora", entry("dora", 70001, 70001), "dora:*:70001:70001::/root:/bin/sh\n", false},
		"two lines":                {"70001", "dora", entry("dora", 70001, 70001) + entry("root", 0, 0), entry("dora", 70001, 70001), false},
		"half a line":              {"70001", "dora", "dora:*:70001:70001::/home/x:/bin/sh", entry("dora", 70001, 70001), false},
		"an option for a name":     {"70001", "-s", entry("-s", 70001, 70001), entry("-s", 70001, 70001), false},
		"a group for a name":       {"70001", "@devs", entry("@devs", 70001, 70001), entry("@devs", 70001, 70001), false},
		"a number for a name":      {"70001", "0", entry("0", 70001, 70001), entry("root", 0, 0), false},
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			w := newToy(t, nil)
			w.write("passwd-"+c.by, c.first)
			if c.second != "" {
				w.write("passwd-"+c.other, c.second)
			}
			w.write("initgroups-dora", "dora\n")
			var a accounts.Account
			var err error
			if uid, errN := strconv.ParseUint(c.by, 10, 32); errN == nil {
				a, err = w.ByUID(t.Context(), uint32(uid))
			} else {
				a, err = w.ByName(t.Context(), c.by)
			}
			if err == nil || errors.Is(err, accounts.ErrNoAccount) != c.none {
				t.Errorf("%+v, %v", a, err)
			}
		})
	}
}

// Which numbers and groups are all right beside those.
func TestBelieved(t *testing.T) {
	w := newToy(t, nil)
	for i, gid := range []uint32{100, 7000, 70001, 513} {
		uid := 70001 + uint32(i)
		name := fmt.Sprintf("dora%d", i)
		w.has(name, uid, gid, "")
		if gid == 7000 {
			w.write("etc-group", "local:x:7000:"+name+"\nusers:x:100:\n")
		}
		if a, err := w.ByUID(t.Context(), uid); err != nil || a.GID != gid {
			t.Errorf("%+v, %v", a, err)
		}
	}
	w.has(`CORP\erin`, 1200000001, 70001, "") // as winbind has it
	if a, err := w.ByUID(t.Context(), 1200000001); err != nil || a.Name != `CORP\erin` {
		t.Errorf("%+v, %v", a, err)
	}
}

// dora's account is renamed erin. Asked by the number the directory says so, and so dora is nobody by her name either,
// although what was heard of that would count for two minutes while there is no such name.
func TestRenamed(t *testing.T) {
	w := newToy(t, nil)
	w.has("dora", 70001, 70001, "")
	if a, err := w.ByName(t.Context(), "dora"); err != nil || a.UID != 70001 {
		t.Fatalf("%+v, %v", a, err)
	}
	w.pass(fresh + time.Second)
	w.remove("passwd-dora")
	if a, err := w.ByName(t.Context(), "dora"); err != nil || a.UID != 70001 {
		t.Fatalf("it says that there is none, for a moment: %+v, %v", a, err)
	}
	w.has("erin", 70001, 70001, "")
	if a, err := w.ByUID(t.Context(), 70001); err != nil || a.Name != "erin" {
		t.Fatalf("%+v, %v", a, err)
	}
	if a, err := w.ByName(t.Context(), "dora"); err == nil {
		t.Errorf("uid 70001 is erin's, and dora is still %+v", a)
	}
}

// Another name for the number counts from when it is heard, also where the rest of the answer does not come.
func TestAnotherName(t *testing.T) {
	for what, rest := range map[string]func(*toy){
		"one direction": func(w *toy) { w.remove("passwd-erin") },
		"no groups":     func(w *toy) { w.remove("initgroups-erin") },
	} {
		w := newToy(t, nil)
		w.has("dora", 70001, 70001, "")
		if a, err := w.ByUID(t.Context(), 70001); err != nil || a.Name != "dora" {
			t.Fatalf("%+v, %v", a, err)
		}
		w.pass(fresh + time.Second)
		w.has("erin", 70001, 70001, "")
		rest(w)
		if a, err := w.ByUID(t.Context(), 70001); err == nil {
			t.Errorf("%s: who was heard to be erin is %+v", what, a)
		}
	}
}

// Only what a directory has not said is an error by which it is unanswered, and groups have a bound.
func TestUnanswered(t *testing.T) {
	w := newToy(t, nil)
	w.has("dora", 70001, 70001, strings.Repeat("70100 ", maxGroups))
	if a, err := w.ByUID(t.Context(), 70001); err != nil || len(a.Groups) != 3 {
		t.Errorf("%d groups, %v", len(a.Groups), err)
	}
	w.has("erin", 70002, 70002, strings.Repeat("70100 ", maxGroups+1))
	if a, err := w.ByUID(t.Context(), 70002); !errors.Is(err, errAnswer) || errors.Is(err, accounts.ErrUnanswered) {
		t.Errorf("%d groups, %v", len(a.Groups), err)
	}
	if a, err := w.ByUID(t.Context(), 70003); !errors.Is(err, accounts.ErrNoAccount) || errors.Is(err, accounts.ErrUnanswered) {
		t.Errorf("%+v, %v", a, err)
	}
	w.write("fails", "")
	if a, err := w.ByUID(t.Context(), 70004); errors.Is(err, accounts.ErrNoAccount) || !errors.Is(err, accounts.ErrUnanswered) {
		t.Errorf("%+v, %v", a, err)
	}
}

// How long an answer counts, and what is kept of none.
func TestAges(t *testing.T) {
	w := newToy(t, nil)
	w.has("dora", 70001, 70001, "")
	known := func() bool {
		a, err := w.ByUID(t.Context(), 70001)
		if err == nil && a.Name != "dora" {
			t.Errorf("%+v", a)
		}
		return err == nil
	}
	if !known() {
		t.Fatal("she is not known")
	}
	for what, undo := range map[string]func(){"fails": func() { w.remove("fails") }, "gone": func() { w.has("dora", 70001, 70001, "") }} {
		if what == "gone" {
			w.remove("passwd-70001")
		} else {
			w.write("fails", "")
		}
		for _, after := range []struct {
			pass time.Duration
			want bool
		}{{fresh, true}, {time.Second, true}, {Age - fresh - time.Second, true}, {time.Second, false}, {time.Minute, false}} {
			if w.pass(after.pass); known() != after.want {
				t.Errorf("%s, and %s later: %v", what, after.pass, !after.want)
			}
		}
		undo()
		before := w.asked()
		if known() || w.asked() != before {
			t.Errorf("%s: it is asked again at once", what)
		}
		if w.pass(denied); !known() {
			t.Errorf("%s, and back: she is not known", what)
		}
	}
	if w.pass(-time.Hour); !known() { // by what is asked now
		t.Error("the clock was set back: she is not known")
	}
	w.write("etc-passwd", "dora:x:6000:6000::/:/bin/sh\n")
	if known() {
		t.Error("the files have come to have her name, and the directory's counts")
	}
	w.write("etc-passwd", "")
	if w.pass(-fresh); known() { // as it was heard of a moment ago
		t.Error("the files are cut off, and the directory's counts")
	}
	w.write("etc-passwd", "root:x:0:0::/root:/bin/sh\n")
	w.pass(fresh)
	w.has("erin", 70001, 70001, "") // her number is another's now
	if w.pass(fresh + time.Second); w.asked() == 0 {
		t.Error("it was never asked")
	}
	if a, err := w.ByUID(t.Context(), 70001); err != nil || a.Name != "erin" {
		t.Errorf("%+v, %v", a, err)
	}
	if err := os.Remove(w.dir + "/etc-passwd"); err != nil {
		t.Fatal(err)
	}
	if _, err := w.ByUID(t.Context(), 70001); err == nil || errors.Is(err, accounts.ErrNoAccount) {
		t.Errorf("without the files: %v", err)
	}
}

// A question that hangs is ended with all that it has started, holds up who asks the same, and no other; of
// those that hang there are so many, and what is asked about names takes none of the others' turns.
func TestHangs(t *testing.T) {
	w := newToy(t, nil)
	w.has("dora", 70001, 70001, "")
	for i := range atOnce {
		w.write("hangs-"+strconv.Itoa(70010+i), "")
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var wg sync.WaitGroup
	for i := range 3 * atOnce { // three of each
		wg.Go(func() {
			if a, err := w.ByUID(ctx, uint32(70010+i%atOnce)); err == nil {
				t.Errorf("%+v", a)
			}
		})
	}
	pids := func() []string {
		text, _ := os.ReadFile(w.dir + "/pids")
		return strings.Fields(string(text))
	}
	tmuxtest.Eventually(t, func() bool { return len(pids()) == atOnce }, "all hang")
	if _, err := w.ByUID(t.Context(), 70001); err == nil || !strings.Contains(err.Error(), "no more at once") {
		t.Errorf("one more: %v", err)
	}
	if a, err := w.ByName(t.Context(), "dora"); err != nil {
		t.Errorf("by a name: %+v, %v", a, err)
	}
	cancel()
	wg.Wait()
	w.Close()
	if a, err := w.ByUID(t.Context(), 70001); err == nil || !strings.Contains(err.Error(), "muxward ends") {
		t.Errorf("closed: %+v, %v", a, err)
	}
	if n := len(pids()); n != atOnce {
		t.Errorf("%d hang", n)
	}
	for _, pid := range pids() {
		n, err := strconv.Atoi(pid)
		if err != nil {
			t.Fatal(err)
		}
		tmuxtest.Eventually(t, func() bool { return syscall.Kill(-n, 0) == syscall.ESRCH }, "what hung, and what it started, has ended")
	}
}

// More than have a turn come at once, and the directory answers: all are known.
func TestManyAtOnce(t *testing.T) {
	w := newToy(t, func(o *Options) { o.turnWait = tmuxtest.Patience })
	const many = 4 * atOnce
	for i := range uint32(many) {
		w.has(fmt.Sprintf("dora%d", i), 70001+i, 70001, "")
	}
	var wg sync.WaitGroup
	for i := range uint32(many) {
		wg.Go(func() {
			if a, err := w.ByUID(t.Context(), 70001+i); err != nil {
				t.Errorf("%+v, %v", a, err)
			}
		})
	}
	wg.Wait()
}

// Who asks waits no longer than an answer may take.
func TestPatience(t *testing.T) {
	w := newToy(t, func(o *Options) { o.patience = 100 * time.Millisecond })
	w.write("hangs", "")
	if _, err := w.ByUID(t.Context(), 70001); err == nil || errors.Is(err, accounts.ErrNoAccount) {
		t.Error(err)
	}
	w = newToy(t, nil)
	w.write("floods", "")
	if _, err := w.ByName(t.Context(), "dora"); !errors.Is(err, errAnswer) {
		t.Errorf("an answer without end: %v", err)
	}
}

// Who is known still does not wait as long as who is not.
func TestKnownStill(t *testing.T) {
	w := newToy(t, func(o *Options) { o.patience, o.again = time.Hour, 50*time.Millisecond })
	w.has("dora", 70001, 70001, "")
	for range 2 {
		ctx, cancel := context.WithTimeout(t.Context(), tmuxtest.Patience)
		if a, err := w.ByUID(ctx, 70001); err != nil || a.Name != "dora" || ctx.Err() != nil {
			t.Errorf("%+v, %v, %v", a, err, ctx.Err())
		}
		cancel()
		w.pass(fresh + time.Second)
		w.write("hangs", "")
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte("dora:*:70001:70001:Dora:/home/dora:/bin/sh\n"), "dora")
	f.Add([]byte("dora                  70001 7\n"), "dora")
	f.Add([]byte("staff:*:70100:dora,erin\n"), "staff")
	f.Fuzz(func(t *testing.T, data []byte, name string) {
		if a, err := parsePasswd(data); err == nil && (!validName(a.Name) || a.Usable() != nil || !filepath.IsAbs(a.Home) || !a.Directory) {
			t.Errorf("%+v", a)
		}
		if gids, err := parseInitgroups(data, name); err == nil {
			for _, g := range gids {
				if g == accounts.NoID {
					t.Errorf("%d", gids)
				}
			}
		}
		if gid, err := parseGroup(data, name); err == nil && (gid == accounts.NoID || !strings.HasPrefix(string(data), name+":")) {
			t.Errorf("%d of %q", gid, data)
		}
	})
}
