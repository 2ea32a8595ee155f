package sockets

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

const alice, bob = 1001, 1002

// Facts in which nothing is wrong; the cases change one thing.
func tidyDir() Dir {
	return Dir{Path: "/tmp/tmux-1001", File: File{Kind: "directory", UID: alice, Mode: 0o700, Links: 2}, For: alice, Program: "tmux", FS: "ext4",
		Above: &File{Kind: "directory", Mode: 0o1777}, AbovePath: "/tmp"}
}

func tidySocket() Socket {
	return Socket{Path: "/tmp/tmux-1001/default", File: File{Kind: "socket", UID: alice, GID: alice, Mode: 0o660, Links: 1}, Dir: "/tmp/tmux-1001",
		Life: Live, PID: 7, Program: "tmux"}
}

func tidyServer() Server {
	return Server{PID: 7, UID: alice, Known: "executable", Program: "tmux", Exe: "/usr/bin/tmux", Ready: true, Age: time.Hour,
		Sockets: []Bound{{Path: "/tmp/tmux-1001/default", Place: Here, Above: &File{Kind: "directory", UID: alice, Mode: 0o700}}}}
}

// judged gives the ids found, with ! behind those that fix would mend.
func judged(s Scan) string {
	for i := range s.Sockets {
		if k := &s.Sockets[i]; k.Above == nil && k.Dir != "" {
			for _, d := range s.Dirs {
				if d.Path == k.Dir {
					k.Above = &d.File
				}
			}
		}
	}
	var out []string
	for _, f := range Judge(s, DefaultLimits()) {
		id := strings.TrimPrefix(f.ID, "MW-")
		if f.Auto != (f.act != nil) || f.Auto && f.Fix != "muxward sockets fix "+f.ID {
			id += "?"
		}
		// By root such a command goes where somebody else leads it.
		if word := strings.Fields(f.Fix)[0]; f.UID != 0 && f.ID != aboveOpen && (word == "chmod" || word == "rm") {
			id += " unsafe"
		}
		if f.Auto {
			id += "!"
		}
		out = append(out, id)
	}
	slices.Sort(out)
	return strings.Join(out, " ")
}

func TestJudgeDirectories(t *testing.T) {
	for _, c := range []struct {
		name, want string
		change     func(d *Dir)
	}{
		{"tidy", "", func(*Dir) {}},
		{"0770", "S005!", func(d *Dir) { d.Mode = 0o770 }},
		{"0710", "S005!", func(d *Dir) { d.Mode = 0o710 }},
		{"2700: setgid alone gives nothing", "", func(d *Dir) { d.Mode = 0o2700 }},
		{"ACL", "S005!", func(d *Dir) { d.ACL = []string{"user:1002:--x"} }},
		{"another account's", "S007", func(d *Dir) { d.UID = bob }},
		{"another account's, and open", "S007", func(d *Dir) { d.UID, d.Mode = bob, 0o777 }},
		{"in another account's own place", "", func(d *Dir) { d.UID, d.Above = bob, &File{UID: bob, Mode: 0o755} }},
		{"in another account's place for all", "S007", func(d *Dir) { d.UID, d.Above = bob, &File{UID: bob, Mode: 0o1777} }},
		{"a symlink", "S007", func(d *Dir) { d.Kind = "symlink" }},
		{"a file", "S007", func(d *Dir) { d.Kind = "file" }},
		{"above without sticky", "S006", func(d *Dir) { d.Above = &File{Mode: 0o777} }},
		{"above for a group", "S006", func(d *Dir) { d.Above = &File{Mode: 0o775, GID: 50} }},
		{"above for the account's own group", "", func(d *Dir) { d.Above = &File{Mode: 0o775, GID: alice, UID: alice} }},
		{"above another account's", "S006", func(d *Dir) { d.Above = &File{Mode: 0o755, UID: bob} }},
		{"above its own", "", func(d *Dir) { d.Above = &File{Mode: 0o700, UID: alice} }},
		{"a door's", "", func(d *Dir) { d.Mode = 0o500 }},
	} {
		d := tidyDir()
		c.change(&d)
		if got := judged(Scan{Dirs: []Dir{d}}); got != c.want {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
}

func TestJudgeSockets(t *testing.T) {
	for _, c := range []struct {
		name, want string
		change     func(k *Socket, d *Dir)
	}{
		{"tidy", "", func(*Socket, *Dir) {}},
		{"somebody is attached", "", func(k *Socket, _ *Dir) { k.Mode = 0o770 }},
		{"dead", "S001!", func(k *Socket, _ *Dir) { k.Life, k.PID, k.Program = Dead, 0, "" }},
		{"dead, of another program's kind", "S001!", func(k *Socket, d *Dir) { k.Life, k.PID, k.Program, d.Program = Dead, 0, "", "tmate" }},
		{"dead, with two names", "S001 S011", func(k *Socket, _ *Dir) { k.Life, k.Links = Dead, 2 }},
		{"dead, in a squatted directory", "S007 S008", func(k *Socket, d *Dir) { k.Life, d.UID = Dead, bob }},
		{"dead, squatter's own", "S001 S007", func(k *Socket, d *Dir) { k.Life, d.UID, k.UID = Dead, bob, bob }},
		{"dead, elsewhere", "S001", func(k *Socket, _ *Dir) { k.Life, k.Dir, k.Program = Dead, "", "" }},
		{"dead door: muxward looks after it", "", func(k *Socket, d *Dir) { k.Life, d.Mode = Dead, 0o500 }},
		{"dead, and open", "S001! S005!", func(k *Socket, d *Dir) { k.Life, d.Mode = Dead, 0o770 }},
		{"unknown", "", func(k *Socket, _ *Dir) { k.Life = Unknown }},
		{"unknown, on a shared file system", "S021", func(k *Socket, d *Dir) { k.Life, d.Far = Unknown, "nfs" }},
		{"another program's, and open", "S005!", func(k *Socket, d *Dir) { k.Program, k.Mode, d.Mode = "other", 0o777, 0o711 }},
		{"a group may reach it", "S004! S005!", func(_ *Socket, d *Dir) { d.Mode, d.GID = 0o710, alice }},
		{"one group may pass, another may connect", "S005!", func(_ *Socket, d *Dir) { d.Mode, d.GID = 0o710, 50 }},
		{"live, in a directory closed for its account", "S004! S005!", func(k *Socket, d *Dir) { k.Mode, d.Mode = 0o666, 0o555 }},
		{"a group may pass, but not connect", "S005!", func(k *Socket, d *Dir) { k.Mode, d.Mode = 0o600, 0o710 }},
		{"everybody", "S004! S005!", func(k *Socket, d *Dir) { k.Mode, d.Mode = 0o666, 0o711 }},
		{"open, and nobody may pass", "", func(k *Socket, _ *Dir) { k.Mode = 0o777 }},
		{"by ACL", "S004! S005!", func(k *Socket, d *Dir) { k.ACL, d.ACL = []string{"user:1002:rw-"}, []string{"user:1002:--x"} }},
		{"elsewhere, for its own group", "", func(k *Socket, _ *Dir) { k.Dir, k.Above = "", &File{Mode: 0o1777} }},
		{"elsewhere, for another group", "S004", func(k *Socket, _ *Dir) { k.Dir, k.GID, k.Above = "", 50, &File{Mode: 0o1777} }},
		{"open elsewhere", "S004", func(k *Socket, _ *Dir) { k.Dir, k.Mode, k.Above = "", 0o666, &File{Mode: 0o1777} }},
		{"elsewhere, where others may replace it", "S006", func(k *Socket, _ *Dir) { k.Dir, k.Mode, k.Above = "", 0o600, &File{Mode: 0o777} }},
		{"another account's", "S008", func(k *Socket, _ *Dir) { k.UID = bob }},
		{"another account's, dead, open", "S008", func(k *Socket, _ *Dir) { k.UID, k.Life, k.Mode = bob, Dead, 0o777 }},
		{"two names", "S011", func(k *Socket, _ *Dir) { k.Links = 2 }},
		{"a queue at nobody knows whose", "", func(k *Socket, _ *Dir) { k.Pending, k.PID, k.Program = 3, 0, "" }},
		{"a queue", "S012", func(k *Socket, _ *Dir) { k.Pending = 3 }},
	} {
		k, d := tidySocket(), tidyDir()
		c.change(&k, &d)
		if got := judged(Scan{Dirs: []Dir{d}, Sockets: []Socket{k}}); got != c.want {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
}

// What two servers have lost at one path is for people to give to one of them.
func TestJudgeTwins(t *testing.T) {
	one, two := tidyServer(), tidyServer()
	one.Sockets[0].Place = Gone
	two.Sockets = []Bound{one.Sockets[0]}
	two.PID = 8
	if got := judged(Scan{Servers: []Server{one}}); got != "S002!" {
		t.Errorf("one: %q", got)
	}
	if got := judged(Scan{Servers: []Server{one, two}}); got != "S002 S002" {
		t.Errorf("two: %q", got)
	}
}

// Who may replace what is in a directory is told from what may be done about it.
func TestAdviceAboutDirectories(t *testing.T) {
	for _, c := range []struct {
		above         File
		evidence, fix string
	}{
		{File{Mode: 0o755, UID: bob}, "belongs to uid 1002", "somewhere else"},
		{File{Mode: 0o777}, "mode 0777", "chmod +t /tmp"},
		{File{Mode: 0o777, UID: alice}, "mode 0777", "setpriv --reuid 1001 --clear-groups chmod +t /tmp"},
	} {
		d := tidyDir()
		d.Above = &c.above
		f := judgeDir(d)
		if len(f) != 1 || !strings.Contains(f[0].Evidence, c.evidence) || !strings.Contains(f[0].Fix, c.fix) {
			t.Errorf("%+v: %+v", c.above, f)
		}
	}
}

func TestJudgeOthers(t *testing.T) {
	for _, c := range []struct {
		name, want string
		o          Other
	}{
		{"a lock", "", Other{Path: "/tmp/tmux-1001/default.lock", File: File{Kind: "file", UID: alice}}},
		{"its own holds it", "", Other{Path: "/tmp/tmux-1001/a.lock", File: File{Kind: "file", UID: alice}, Lockers: []uint32{alice}}},
		{"another holds it", "S010", Other{Path: "/tmp/tmux-1001/a.lock", File: File{Kind: "file", UID: alice}, Lockers: []uint32{bob}}},
		{"another made and holds it", "S008 S010", Other{Path: "/tmp/tmux-1001/a.lock", File: File{Kind: "file", UID: bob}, Lockers: []uint32{bob}}},
		{"a lock that is a link", "S009", Other{Path: "/tmp/tmux-1001/a.lock", File: File{Kind: "symlink", UID: alice}}},
		{"a link", "S009", Other{Path: "/tmp/tmux-1001/a", File: File{Kind: "symlink", UID: alice}}},
		{"another's link", "S009", Other{Path: "/tmp/tmux-1001/a", File: File{Kind: "symlink", UID: bob}}},
		{"a file", "S009", Other{Path: "/tmp/tmux-1001/a", File: File{Kind: "file", UID: alice}}},
		{"a FIFO", "S009", Other{Path: "/tmp/tmux-1001/a", File: File{Kind: "fifo", UID: alice}}},
		{"a device", "S008", Other{Path: "/tmp/tmux-1001/a", File: File{Kind: "device", UID: 0}}},
		{"a directory", "", Other{Path: "/tmp/tmux-1001/a", File: File{Kind: "directory", UID: alice}}},
	} {
		c.o.Dir = "/tmp/tmux-1001"
		if got := judged(Scan{Dirs: []Dir{tidyDir()}, Others: []Other{c.o}}); got != c.want {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
}

func TestJudgeServers(t *testing.T) {
	for _, c := range []struct {
		name, want string
		change     func(v *Server)
	}{
		{"tidy", "", func(*Server) {}},
		{"its socket is gone", "S002!", func(v *Server) { v.Sockets[0].Place = Gone }},
		{"gone, known by its name only", "S002", func(v *Server) { v.Sockets[0].Place, v.Known = Gone, "name" }},
		{"gone, and would die of the signal", "S002", func(v *Server) { v.Sockets[0].Place, v.Ready = Gone, false }},
		{"gone, in a container", "S002", func(v *Server) { v.Sockets[0].Place, v.Apart = Gone, []string{"net"} }},
		{"gone, with its directory", "S002", func(v *Server) { v.Sockets[0].Place, v.Sockets[0].Above = Gone, nil }},
		{"gone, and the directory is another's", "S002", func(v *Server) { v.Sockets[0].Place, v.Sockets[0].Above = Gone, &File{UID: bob} }},
		{"gone, and stopped", "S002 S012", func(v *Server) { v.Sockets[0].Place, v.Stopped = Gone, true }},
		{"its path is taken", "S003", func(v *Server) { v.Sockets[0].Place = Taken }},
		{"guarded", "", func(v *Server) { v.Sockets[0].Place = Door }},
		{"cannot be looked at", "", func(v *Server) { v.Sockets[0].Place = Unseen }},
		{"no account", "S013", func(v *Server) { v.NoAccount = true }},
		{"logged out", "S014", func(v *Server) { v.LoggedOut = true }},
		{"root's, old", "S015", func(v *Server) { v.UID, v.Age = 0, 1000*time.Hour }},
		{"root's, old, in use", "", func(v *Server) { v.UID, v.Age, v.Sockets[0].Clients = 0, 1000*time.Hour, []uint32{0} }},
		{"a client of another", "S016", func(v *Server) { v.Sockets[0].Clients = []uint32{alice, bob} }},
		{"a client of root", "", func(v *Server) { v.Sockets[0].Clients = []uint32{0, alice} }},
		{"secrets", "S019", func(v *Server) { v.Secrets = []string{"GH_TOKEN"} }},
		{"an old program", "S020", func(v *Server) { v.ExeGone = true }},
	} {
		v := tidyServer()
		c.change(&v)
		if got := judged(Scan{Servers: []Server{v}}); got != c.want {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
}

// A server beside a door of muxward's is told of; the one behind the door is not.
func TestJudgeBesideMuxward(t *testing.T) {
	door, d := tidySocket(), tidyDir()
	door.Program, d.Mode = "muxward", 0o500
	guarded, free, foreign := tidyServer(), tidyServer(), tidyServer()
	guarded.Sockets[0].Place, free.PID, foreign.UID, foreign.PID = Door, 8, bob, 9
	s := Scan{Dirs: []Dir{d}, Sockets: []Socket{door}, Servers: []Server{guarded, free, foreign}}
	found := Judge(s, DefaultLimits())
	if len(found) != 1 || found[0].ID != besideMuxward || found[0].PID != 8 {
		t.Errorf("%+v", found)
	}
}

func TestJudgeMany(t *testing.T) {
	var s Scan
	for i := range 25 {
		v := tidyServer()
		v.PID = 100 + i
		v.Sockets = []Bound{{Path: Path("/tmp/tmux-1001/agent-" + strings.Repeat("7", i+1)), Place: Here}}
		s.Servers = append(s.Servers, v)
	}
	if got := judged(s); got != "S018" {
		t.Errorf("25 alike: %q", got)
	}
	s.Servers = s.Servers[:19]
	if got := judged(s); got != "" {
		t.Errorf("19 alike: %q", got)
	}
}

// Who is neither the owner nor root plans nothing, and named kinds are the only
// ones that are planned.
func TestPlan(t *testing.T) {
	k, d := tidySocket(), tidyDir()
	k.Life, d.Mode = Dead, 0o770
	k.Above = &d.File
	found := Judge(Scan{Dirs: []Dir{d}, Sockets: []Socket{k}}, DefaultLimits())
	for _, c := range []struct {
		uid         uint32
		ids         []string
		steps, left int
	}{
		{alice, nil, 2, 0}, {0, nil, 2, 0}, {bob, nil, 0, 2}, {alice, []string{"mw-s001"}, 1, 0}, {alice, []string{"MW-S020"}, 0, 0},
	} {
		steps, left := Plan(found, c.ids, c.uid)
		if len(steps) != c.steps || len(left) != c.left {
			t.Errorf("uid %d, %v: %d steps, %d left; of %d", c.uid, c.ids, len(steps), len(left), len(found))
		}
	}
}

// What people agreed to is what they were shown: the same thing, unchanged, and not
// another that has its number by then.
func TestStill(t *testing.T) {
	plan := func(change func(k *Socket)) []Step {
		k, d := tidySocket(), tidyDir()
		k.Life, k.Above = Dead, &d.File
		change(&k)
		steps, _ := Plan(Judge(Scan{Dirs: []Dir{d}, Sockets: []Socket{k}}, DefaultLimits()), nil, alice)
		return steps
	}
	shown := plan(func(*Socket) {})
	if len(shown) != 1 {
		t.Fatalf("%+v", shown)
	}
	for name, c := range map[string]struct {
		change func(k *Socket)
		still  bool
	}{
		"unchanged":             {func(*Socket) {}, true},
		"mended meanwhile":      {func(k *Socket) { k.Life = Live }, false},
		"another path":          {func(k *Socket) { k.Path += "x" }, false},
		"another file":          {func(k *Socket) { k.Ino++ }, false},
		"another of its number": {func(k *Socket) { k.Changed = k.Changed.Add(1) }, false},
		"another mode":          {func(k *Socket) { k.Mode = 0o400 }, false},
	} {
		still, gone := Still(shown, plan(c.change))
		if len(still)+len(gone) != 1 || (len(still) == 1) != c.still {
			t.Errorf("%s: %d, %d", name, len(still), len(gone))
		}
	}
	s := tidyServer()
	s.Sockets[0].Place, s.Ready = Gone, true
	revived := func(change func(s *Server)) []Step {
		s := s
		change(&s)
		steps, _ := Plan(Judge(Scan{Servers: []Server{s}}, DefaultLimits()), nil, alice)
		return steps
	}
	shown = revived(func(*Server) {})
	if len(shown) != 1 {
		t.Fatalf("%+v", shown)
	}
	if still, _ := Still(shown, revived(func(*Server) {})); len(still) != 1 {
		t.Error("a server that is as it was")
	}
	if still, _ := Still(shown, revived(func(s *Server) { s.Start++ })); len(still) != 0 {
		t.Error("another server with its number")
	}
}

// Every kind of finding is explained, in order, once.
func TestRulesAreWhole(t *testing.T) {
	last := ""
	for _, r := range Rules() {
		if r.ID <= last || r.Title == "" || r.Why == "" || r.Fix == "" {
			t.Errorf("%+v after %s", r, last)
		}
		last = r.ID
	}
	if _, ok := RuleByID("mw-s003"); !ok {
		t.Error("an id is found in capitals only")
	}
}

// docs/sockets.md lists every kind of finding.
func TestFindingsAreDocumented(t *testing.T) {
	doc, err := os.ReadFile("../../docs/sockets.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range Rules() {
		line := regexp.MustCompile(`(?m)^\| ` + r.ID + ` \|.*$`).FindString(string(doc))
		if people := strings.Contains(line, "| people |") || strings.Contains(line, "nothing is done"); line == "" || people != (r.Auto == "") {
			t.Errorf("%s: docs/sockets.md has %q", r.ID, line)
		}
	}
}
