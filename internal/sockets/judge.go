package sockets

import (
	"cmp"
	"fmt"
	"path/filepath"
	"slices"
	"sort"
	"strings"
	"time"
)

// Limits say from when on something counts as too old or too many.
type Limits struct {
	RootAge time.Duration // of a server of root with nobody connected
	Alike   int           // servers whose names begin alike
	Locks   string        // the benchmark that session locks are compared with, if any
}

// maxSquats is from how many places on, taken by one account, they are one finding.
const maxSquats = 10

// DefaultLimits are what is used unless people say otherwise.
func DefaultLimits() Limits { return Limits{RootAge: 7 * 24 * time.Hour, Alike: 20} }

// Judge says what is wrong in what was seen. It looks at nothing but s.
func Judge(s Scan, lim Limits) []Finding {
	var out []Finding
	for _, d := range s.Dirs {
		out = append(out, judgeDir(d)...)
	}
	out = foldSquats(s, out)
	dead := 0
	for i := range s.Sockets {
		if s.Sockets[i].Life == Dead {
			dead++
		}
	}
	out = slices.Grow(out, dead) // mostly one each
	for i := range s.Sockets {
		k := &s.Sockets[i]
		out = append(out, judgeSocket(k, dirOf(s, k.Dir), s.Settle)...)
	}
	for _, o := range s.Others {
		out = append(out, judgeOther(o, dirOf(s, o.Dir))...)
	}
	doors := doorUIDs(s)
	for _, srv := range s.Servers {
		out = append(out, judgeServer(srv, lim, doors[srv.UID])...)
	}
	leaveTwins(out)
	out = append(out, judgeMany(s, lim)...)
	if lim.Locks != "" {
		out = append(out, judgeLocks(s, lim.Locks)...)
	}
	slices.SortStableFunc(out, func(a, b Finding) int {
		return cmp.Or(int(b.Severity)-int(a.Severity), strings.Compare(a.ID, b.ID), strings.Compare(string(a.Path), string(b.Path)), a.PID-b.PID)
	})
	// A server that is stopped and the queue at its socket are one matter.
	return slices.CompactFunc(out, func(a, b Finding) bool {
		return a.ID == notAccepting && b.ID == a.ID && a.Path == b.Path && a.PID == b.PID
	})
}

// foldSquats makes one finding of many places that one account has taken in one
// directory, so that nobody hides a finding among those.
func foldSquats(s Scan, all []Finding) []Finding {
	type taking struct {
		uid uint32
		in  Path
	}
	by := map[taking][]Path{}
	of := map[Path]taking{}
	for _, d := range s.Dirs {
		if !orderly(&d) {
			t := taking{d.UID, d.AbovePath}
			by[t], of[d.Path] = append(by[t], d.Path), t
		}
	}
	out := all[:0]
	for _, f := range all {
		t, ok := of[f.Path]
		many := ok && f.ID == squatted && len(by[t]) > maxSquats
		if many && f.Path != by[t][0] {
			continue
		}
		if many {
			f.Evidence += fmt.Sprintf("; and %d more in %s like it", len(by[t])-1, t.in)
		}
		out = append(out, f)
	}
	return out
}

func dirOf(s Scan, path Path) *Dir {
	if path == "" {
		return nil
	}
	i := sort.Search(len(s.Dirs), func(i int) bool { return s.Dirs[i].Path >= path })
	if i == len(s.Dirs) || s.Dirs[i].Path != path {
		return nil
	}
	return &s.Dirs[i]
}

func judgeDir(d Dir) []Finding {
	var out []Finding
	add := func(id string, sev Severity, fix, format string, args ...any) *Finding {
		out = append(out, Finding{ID: id, Severity: sev, Path: d.Path, UID: d.For, Evidence: fmt.Sprintf(format, args...), Fix: fix})
		return &out[len(out)-1]
	}
	if !orderly(&d) {
		if in := d.Above; in != nil && in.UID != 0 && in.UID != d.For && in.Mode&0o002 == 0 {
			return nil // tmux of that account would not come here: it is another account's own place
		}
		what := "it is a " + d.Kind + " of uid " + fmt.Sprint(d.UID)
		add(squatted, Serious, "ls -ld "+d.Path.ShellWord()+"; ask uid "+fmt.Sprint(d.UID)+", or as root mv -T -n it away", "%s, and not a directory of uid %d", what, d.For)
		return out
	}
	if f := d.Above; replaceable(f, d.UID) {
		evidence, fix := replacing(f, d.UID, d.AbovePath)
		add(aboveOpen, Serious, fix, "%s", evidence)
	}
	if d.Mode&0o077 != 0 || len(d.ACL) > 0 {
		sev := Warning
		if d.Mode&0o022 != 0 || gives(d.ACL, 'w') {
			sev = Serious
		}
		f := add(dirOpen, sev, "muxward sockets fix "+dirOpen, "mode %s%s", d.Mode, aclText(d.ACL))
		f.Auto, f.act = true, &act{do: closeDir, file: d.File}
	}
	return out
}

// replaceable reports whether others than root and the account may move away
// what is in a directory.
func replaceable(f *File, uid uint32) bool {
	return f != nil && f.Mode&0o1000 == 0 && (f.Mode&0o002 != 0 || f.Mode&0o020 != 0 && f.GID != 0 && f.GID != f.UID || gives(f.ACL, 'w')) ||
		f != nil && f.UID != 0 && f.UID != uid
}

// replacing is the evidence that a directory is replaceable, and what to do.
func replacing(f *File, uid uint32, path Path) (evidence, fix string) {
	if f.UID != 0 && f.UID != uid {
		return fmt.Sprintf("%s belongs to uid %d", path, f.UID), "keep the sockets somewhere else: TMUX_TMPDIR, or -S"
	}
	return fmt.Sprintf("%s has mode %s%s", path, f.Mode, aclText(f.ACL)), by(f.UID, "chmod +t "+path.ShellWord())
}

// by is a command with the rights of an account: who may put something else at a
// path has root's hand led to nothing by it.
func by(uid uint32, command string) string {
	if uid == 0 {
		return command
	}
	return fmt.Sprintf("setpriv --reuid %d --clear-groups %s", uid, command)
}

func gives(acl []string, right byte) bool {
	return slices.ContainsFunc(acl, func(e string) bool {
		return strings.IndexByte(e[max(0, len(e)-3):], right) >= 0
	})
}

func aclText(acl []string) string {
	if len(acl) == 0 {
		return ""
	}
	return ", and its ACL gives " + strings.Join(acl, ", ")
}

func judgeSocket(k *Socket, d *Dir, settle time.Duration) []Finding {
	var out []Finding
	add := func(id string, sev Severity, fix, format string, args ...any) *Finding {
		out = append(out, Finding{ID: id, Severity: sev, Path: k.Path, PID: k.PID, UID: k.UID, Evidence: fmt.Sprintf(format, args...), Fix: fix})
		return &out[len(out)-1]
	}
	if d != nil && k.UID != d.UID {
		add(foreignThing, Serious, "look at it: ls -l "+k.Path.ShellWord(), "a socket of uid %d in a directory of uid %d", k.UID, d.UID)
		return out // it is not this account's to have mended
	}
	if k.Program == "other" || k.Program == "muxward" {
		return out // somebody else's socket; doors are looked after by muxward
	}
	mine := orderly(d)
	if mine && d.Mode&0o200 == 0 && k.Life == Dead {
		return out // closed even for its account: that is how muxward keeps doors, also when it has ended
	}
	switch {
	case k.Life == Dead:
		f := add(deadSocket, Warning, "its owner finds out whether a server elsewhere uses it", "%s", k.Why)
		if mine && k.Links == 1 {
			f.Fix = "muxward sockets fix " + deadSocket
			f.Auto, f.act = true, &act{do: moveAway, dir: d.Path, file: k.File, settle: settle}
		}
	case k.Life == Unknown && d != nil && d.Far != "":
		add(cannotTell, Info, "look at it from where its server would run", "%s", k.Why)
	case k.Life == Live && k.Pending > 0 && tmuxProgram(k.Program):
		add(notAccepting, Warning, "see what process listens, and whether it is stopped", "%d connections wait to be accepted", k.Pending)
	}
	// What is dead leads to nobody; it is moved away, not closed.
	if why := open(k); why != "" && k.Life != Dead {
		f := add(socketOpen, Serious, by(k.UID, "chmod go-rwx "+k.Path.ShellWord()), "%s", why)
		if mine && k.Links == 1 {
			f.Fix = "muxward sockets fix " + socketOpen
			f.Auto, f.act = true, &act{do: closeSocket, dir: d.Path, file: k.File}
		}
	}
	if k.Links > 1 {
		add(linkedTwice, Serious, fmt.Sprintf("find the other name: find %s -xdev -inum %d", Path(filepath.Dir(string(k.Path))).ShellWord(), k.Ino), "it has %d names", k.Links)
	}
	if d == nil && k.Above != nil && replaceable(k.Above, k.UID) {
		evidence, fix := replacing(k.Above, k.UID, Path(filepath.Dir(string(k.Path))))
		add(aboveOpen, Serious, fix, "%s", evidence)
	}
	return out
}

// open says how others than the account and root may connect, or nothing. The x
// bits are how tmux marks that somebody is attached.
func open(k *Socket) string {
	if k.Above == nil {
		return ""
	}
	in := k.Above
	// Where people put a socket by themselves, tmux gives it to their own group,
	// which on most systems is theirs alone.
	if k.Dir == "" && k.GID == k.UID && k.Mode&0o002 == 0 && len(k.ACL) == 0 {
		return ""
	}
	switch {
	case k.Mode&0o002 != 0 && in.Mode&0o001 != 0:
		return fmt.Sprintf("mode %s in a directory of mode %s: everybody may connect", k.Mode, in.Mode)
	case k.Mode&0o020 != 0 && in.Mode&0o001 != 0:
		return fmt.Sprintf("mode %s in a directory of mode %s: group %d may connect", k.Mode, in.Mode, k.GID)
	case (k.Mode&0o002 != 0 || k.Mode&0o020 != 0 && k.GID == in.GID) && in.Mode&0o010 != 0:
		return fmt.Sprintf("mode %s in a directory of mode %s: group %d may connect", k.Mode, in.Mode, in.GID)
	case gives(k.ACL, 'w') && (in.Mode&0o011 != 0 || gives(in.ACL, 'x')):
		return fmt.Sprintf("mode %s%s, in a directory that they may pass", k.Mode, aclText(k.ACL))
	case k.Mode&0o022 != 0 && gives(in.ACL, 'x'):
		return fmt.Sprintf("mode %s in a directory that others may pass%s", k.Mode, aclText(in.ACL))
	}
	return ""
}

func judgeOther(o Other, d *Dir) []Finding {
	var out []Finding
	add := func(id string, sev Severity, fix, format string, args ...any) {
		out = append(out, Finding{ID: id, Severity: sev, Path: o.Path, UID: o.UID, Evidence: fmt.Sprintf(format, args...), Fix: fix})
	}
	look := "look at it: ls -l " + o.Path.ShellWord()
	if d == nil {
		return nil
	}
	lock := strings.HasSuffix(string(o.Path), ".lock")
	others := slices.DeleteFunc(slices.Clone(o.Lockers), func(uid uint32) bool { return uid == d.UID || uid == 0 })
	if len(others) > 0 {
		add(lockHeld, Serious, "end the process that holds it: fuser -v "+o.Path.ShellWord(), "uid %d holds a lock on it", others[0])
	}
	switch {
	case o.UID != d.UID && o.Kind != "symlink":
		add(foreignThing, Serious, look, "a %s of uid %d in a directory of uid %d", o.Kind, o.UID, d.UID)
	case o.Kind == "symlink" && (lock || o.UID != d.UID):
		add(notASocket, Serious, look, "a symbolic link of uid %d in the place of a socket or lock", o.UID)
	case o.Kind == "file" && lock:
		// That is how tmux locks.
	case o.Kind == "directory":
		// Nothing of tmux goes into it.
	default:
		add(notASocket, Info, look, "it is a %s", o.Kind)
	}
	return out
}

// doorUIDs gives the accounts that have a door of muxward's.
func doorUIDs(s Scan) map[uint32]bool {
	out := map[uint32]bool{}
	for i := range s.Sockets {
		k := &s.Sockets[i]
		if k.Program != "muxward" || k.Life != Live {
			continue
		}
		if d := dirOf(s, k.Dir); d != nil {
			out[d.For] = true
		}
	}
	return out
}

func judgeServer(srv Server, lim Limits, hasDoor bool) []Finding {
	var out []Finding
	add := func(id string, sev Severity, path Path, fix, format string, args ...any) *Finding {
		evidence := fmt.Sprintf(format, args...)
		if len(srv.Apart) > 0 {
			evidence += "; it is apart from here: " + strings.Join(srv.Apart, ", ")
		}
		out = append(out, Finding{ID: id, Severity: sev, Path: path, PID: srv.PID, UID: srv.UID, Evidence: evidence, Fix: fix})
		return &out[len(out)-1]
	}
	var path Path
	guarded, used := false, false
	for _, b := range srv.Sockets {
		path = b.Path
		guarded = guarded || b.Place == Door
		used = used || len(b.Clients) > 0 || b.ClientsUnknown
		judgeBound(srv, b, add)
	}
	end := fmt.Sprintf("look what runs in it, then end process %d", srv.PID)
	if srv.Stopped {
		add(notAccepting, Warning, path, fmt.Sprintf("kill -CONT %d", srv.PID), "process %d is stopped", srv.PID)
	}
	if srv.NoAccount {
		add(noAccount, Serious, path, end, "process %d runs for uid %d, which has no account", srv.PID, srv.UID)
	}
	if srv.LoggedOut {
		add(leftRunning, Info, path, "loginctl enable-linger, or ask the owner to end it", "uid %d is not logged in and does not linger", srv.UID)
	}
	if srv.UID == 0 && srv.Age > lim.RootAge && !used && !guarded {
		add(rootLeft, Warning, path, end, "process %d began %s ago", srv.PID, srv.Age.Truncate(time.Hour))
	}
	if hasDoor && !guarded {
		add(besideMuxward, Warning, path, end, "process %d is not guarded, and uid %d has a door", srv.PID, srv.UID)
	}
	if len(srv.Secrets) > 0 {
		add(secretsInside, Info, path, "tmux set-environment -gu NAME, for each", "process %d was started with %s", srv.PID, some(srv.Secrets))
	}
	if srv.Asked != nil {
		judgeAsked(srv, path, add)
	}
	if srv.ExeGone {
		add(programRemoved, Info, path, "restart it when its sessions can end", "process %d runs %s, which is not there any more", srv.PID, srv.Exe)
	}
	return out
}

// leaveTwins leaves to people what server gets a path that two have lost.
func leaveTwins(all []Finding) {
	at := map[Path]int{}
	for _, f := range all {
		if f.ID == socketGone {
			at[f.Path]++
		}
	}
	for i := range all {
		if f := &all[i]; f.ID == socketGone && at[f.Path] > 1 {
			f.Auto, f.act, f.Fix = false, nil, "ask the owner which of the servers to keep"
		}
	}
}

func judgeBound(srv Server, b Bound, add func(id string, sev Severity, path Path, fix, format string, args ...any) *Finding) {
	switch b.Place {
	case Gone:
		f := add(socketGone, Warning, b.Path, fmt.Sprintf("kill -USR1 %d", srv.PID), "process %d listens, and nothing is at its path", srv.PID)
		revivable := srv.Known == "executable" && srv.Ready && len(srv.Apart) == 0 && !srv.Stopped && b.Above != nil && b.Above.UID == srv.UID
		switch {
		case revivable:
			f.Fix = "muxward sockets fix " + socketGone
			f.Auto, f.act = true, &act{do: revive, dir: Path(filepath.Dir(string(b.Path))), server: srv, bound: b}
		case b.Above == nil:
			f.Fix = fmt.Sprintf("make its directory again (mode 0700), then kill -USR1 %d", srv.PID)
		}
	case Taken:
		add(pathTaken, Warning, b.Path, "ask the owner which one to keep", "process %d listens, and something else is at its path", srv.PID)
	case Here, Door, Unseen, NoPlace:
	}
	if b.Emptied != "" {
		add(placeEmptied, Info, b.Path, "keep the socket elsewhere, or let the account linger", "%s", b.Emptied)
	}
	for _, uid := range b.Clients {
		if uid != srv.UID && uid != 0 {
			add(foreignClient, Serious, b.Path, "tmux detach-client, by the owner; then see how they got in", "uid %d is connected to process %d of uid %d", uid, srv.PID, srv.UID)
		}
	}
}

// judgeMany finds servers whose sockets' names begin alike, by account.
func judgeMany(s Scan, lim Limits) []Finding {
	type group struct {
		uid    uint32
		prefix string
	}
	count := map[group]int{}
	for _, srv := range s.Servers {
		for _, b := range srv.Sockets {
			dir, name := filepath.Split(string(b.Path))
			stem := strings.TrimRight(strings.TrimRight(name, "0123456789abcdefABCDEF"), "-_.")
			if stem != "" && stem != name {
				count[group{srv.UID, dir + stem}]++
			}
		}
	}
	var out []Finding
	for g, n := range count {
		if n >= lim.Alike {
			out = append(out, Finding{ID: manyServers, Severity: Info, Path: Path(g.prefix), UID: g.uid,
				Evidence: fmt.Sprintf("%d servers of uid %d", n, g.uid), Fix: "look what starts them; end those that are not used"})
		}
	}
	return out
}
