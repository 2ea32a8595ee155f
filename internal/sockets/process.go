package sockets

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/muxward/muxward/internal/procfs"
)

const (
	maxProcesses   = 100_000
	maxEnviron     = 256 << 10
	maxProcFile    = 64 << 10
	maxOpenFiles   = 65_536 // looked at, of one process, and of one account's together:
	maxOpenFilesOf = 500_000
	maxProcList    = 64 << 20
	ticks          = 100 // USER_HZ: what /proc counts time in, on every Linux
)

// process is what /proc tells of one process, as far as the caller may see it.
type process struct {
	pid     int
	parent  int
	start   uint64
	stopped bool
	uid     uint32
	gid     uint32
	comm    string
	exe     string
	exeGone bool
	program string // tmux, tmate, muxward, or empty
	known   string // executable, name

	tmux   string // the socket that its TMUX names
	tmpdir string // its TMUX_TMPDIR

	held bool // its environment was not read, as an earlier look waits for it

	logins bool // it is the login manager of this host

	// firm, of muxward: only root can change the file, and running it gives no rights.
	firm bool

	// Only of those that are tmux, a fork, or muxward:
	apart   []string
	netNS   string
	catches uint64   // signals that it handles
	inodes  []uint64 // sockets that it holds
	fds     []int    // their descriptors there
	secrets []string
}

// process reads one process, by way of buf; ok is false if it ended. Without memory what
// it said as it began, which lies in its memory, is not read.
func (l *looker) process(pid int, ours map[string]string, buf []byte, memory bool) (process, bool) {
	p := process{pid: pid}
	d, err := openProc(l.proc, pid, buf)
	if err != nil {
		return p, false
	}
	defer d.close()
	st, err := d.stat()
	if err != nil || st.Ended() {
		return p, false
	}
	p.parent, p.start, p.comm, p.stopped = st.PPID, st.Start, st.Comm, st.State == 'T' || st.State == 't'
	exe, _ := d.link("exe") // another account's; its name remains
	p.exe, p.exeGone = strings.CutSuffix(exe, " (deleted)")
	p.program, p.known = recognise(p.exe, p.comm)
	if p.uid, err = d.owner(); err != nil {
		return p, false
	}
	owner := p.uid
	p.logins = p.uid == 0 && (p.comm == "systemd-logind" || p.comm == "elogind") && d.sameProcesses(ours)
	p.firm = p.program == "muxward" && d.firm("exe")
	if memory {
		if env, err := l.environ(d, &p); err == nil {
			p.environment(env)
		}
	}
	if p.program == "" && p.tmpdir == "" {
		return p, true // what its TMUX names is mostly known without it; see vouched
	}
	if !p.credentials(d, owner, ours) {
		return p, false
	}
	if p.program != "" {
		p.inodes, p.fds = l.budget.sockets(l.proc+"/"+strconv.Itoa(pid), p.uid)
		again, err := readStat(l.proc + "/" + strconv.Itoa(pid)) // open files were not read by d
		return p, err == nil && again.Start == p.start
	}
	return p, true
}

// environ is what a process said as it began. See [procPatience]. Of one that an earlier look
// waits for, and of any if there are too many of those, nothing is read.
func (l *looker) environ(d procDir, p *process) ([]byte, error) {
	memory := ""
	if l.opt.mute != nil { // who looks once has no name for it to be made
		memory = fmt.Sprintf("the memory of process %d, begun at %d", p.pid, p.start)
	}
	if l.opt.mute.most(maxHeld) || !l.opt.mute.begin(memory) {
		p.held = true
		return nil, errHeld
	}
	defer l.opt.mute.end(memory)
	if l.holdUp != nil {
		l.holdUp(p.pid)
	}
	return d.read("environ", maxEnviron)
}

var errHeld = errors.New("an earlier reading has not come back")

// credentials finds out whose a process is, and where, and drops what its environment
// says if that is not its account's, or not about here.
func (p *process) credentials(d procDir, owner uint32, ours map[string]string) bool {
	status, err := d.read("status", maxProcFile)
	if err != nil {
		return false
	}
	p.uid, p.gid, p.catches = parseStatus(status)
	if (owner == 0 || owner != p.uid) && d.borrowed() {
		p.tmux, p.tmpdir = "", "" // whoever started it says that, and not its account
	}
	p.apartFrom(d, ours)
	if p.otherFiles() {
		p.tmux, p.tmpdir = "", "" // these say where something is there, not here
	}
	return true
}

// vouches gives the socket that a process's TMUX names, and the account that says so;
// nothing if that is not known. Most processes that have a TMUX are in panes of servers
// that are found anyway: they are asked for more than that only if it matters.
func (l *looker) vouches(p process) (path string, uid uint32) {
	d, err := openProc(l.proc, p.pid, make([]byte, procRoom))
	if err != nil {
		return "", 0
	}
	defer d.close()
	// A process becomes another program, of another account, and keeps its number and its
	// start. So nothing of the first look counts: whose it is and what it says are read
	// here, and it has to be the same program before and after.
	was, err := d.image()
	if err != nil {
		return "", 0
	}
	p.uid, p.apart, p.tmux = was.owner, nil, ""
	env, err := l.environ(d, &p)
	if err != nil {
		return "", 0
	}
	p.environment(env)
	if !p.credentials(d, was.owner, l.ours) {
		return "", 0 // it has ended
	}
	is, err := d.image()
	if st, bad := d.stat(); err != nil || bad != nil || st.Start != p.start || is != was {
		return "", 0
	}
	return p.tmux, p.uid
}

// apartFrom finds out in what a process is not with us: of one that is no tmux, whether
// paths mean the same to it.
func (p *process) apartFrom(d procDir, ours map[string]string) {
	for _, kind := range namespaceKinds() {
		if p.program == "" && kind != "mnt" {
			continue
		}
		id, err := d.link("ns/" + kind)
		if kind == "net" {
			p.netNS = id
		}
		if err == nil && id != ours[kind] {
			p.apart = append(p.apart, kind)
		}
	}
	if root, err := d.link("root"); err == nil && root != "/" {
		p.apart = append(p.apart, "root")
	}
}

// sameProcesses reports whether a process sees the processes that we see: one of a container
// does not. Where that cannot be looked up, as by who is not root, it counts as yes.
func (d procDir) sameProcesses(ours map[string]string) bool {
	id, err := d.link("ns/pid")
	return err != nil || id == ours["pid"]
}

// otherFiles reports whether paths mean something else to a process.
func (p process) otherFiles() bool {
	return slices.Contains(p.apart, "mnt") || slices.Contains(p.apart, "root")
}

// recognise tells a tmux, a fork of it and muxward by the file that runs, and
// where that cannot be seen, by the name that tmux gives itself. A program may
// call itself anything, so a name alone is worth less.
func recognise(exe, comm string) (program, known string) {
	base := filepath.Base(exe)
	if base == "muxward" || base == helper {
		return "muxward", "executable"
	}
	for _, name := range []string{"tmux", "tmate"} {
		if base == name || strings.HasPrefix(base, name+"-") || exactVersion(base, name) {
			return name, "executable"
		}
	}
	for _, name := range []string{"tmux", "tmate"} {
		if comm == name+": server" || comm == name+": client" || exe == "" && comm == name {
			return name, "name"
		}
	}
	return "", ""
}

// exactVersion takes names such as tmux3.4.
func exactVersion(base, name string) bool {
	rest, ok := strings.CutPrefix(base, name)
	return ok && rest != "" && strings.Trim(rest, "0123456789.abcdef") == "" && rest[0] <= '9'
}

// environment keeps what of an environment is about sockets, and the names of
// variables that look like secrets. Values of those are not kept.
func (p *process) environment(env []byte) {
	for kv := range bytes.SplitSeq(env, []byte{0}) {
		k, v, ok := bytes.Cut(kv, []byte{'='})
		switch {
		case !ok:
		case string(k) == "TMUX":
			if p.tmux = socketOf(string(v)); p.tmux != "" {
				p.tmux = filepath.Clean(p.tmux)
			}
		case string(k) == "TMUX_TMPDIR":
			p.tmpdir = string(v)
		case p.program != "" && len(v) > 0 && looksSecret(string(k)):
			p.secrets = append(p.secrets, escape(string(k)))
		}
	}
	slices.Sort(p.secrets)
	p.secrets = slices.Compact(p.secrets)
}

// socketOf takes the path out of a value of TMUX: PATH,PID,SESSION. A path may
// hold commas.
func socketOf(v string) string {
	for range 2 {
		i := strings.LastIndexByte(v, ',')
		if i < 0 {
			return ""
		}
		v = v[:i]
	}
	return v
}

// looksSecret goes by the ends and parts of names that people give to secrets.
func looksSecret(name string) bool {
	name = strings.ToUpper(name)
	for _, part := range []string{"PASSWORD", "PASSWD", "PASSPHRASE", "SECRET", "PRIVATE_KEY", "CREDENTIALS"} {
		if strings.Contains(name, part) {
			return true
		}
	}
	for _, end := range []string{"TOKEN", "API_KEY", "APIKEY", "ACCESS_KEY", "_PAT"} {
		if strings.HasSuffix(name, end) {
			return true
		}
	}
	return false
}

func namespaceKinds() []string { return []string{"mnt", "net", "pid"} }

func namespaces(at string) map[string]string {
	out := map[string]string{}
	for _, kind := range namespaceKinds() {
		if id, err := os.Readlink(at + "/ns/" + kind); err == nil {
			out[kind] = id
		}
	}
	return out
}

// budget is how many open files of each account are looked at: nobody takes the
// time for it from others.
type budget struct {
	mu   sync.Mutex
	used map[uint32]int
	over map[uint32]bool
}

func (b *budget) sockets(at string, uid uint32) (inodes []uint64, fds []int) {
	b.mu.Lock()
	left := min(maxOpenFiles, maxOpenFilesOf-b.used[uid])
	if left <= 0 {
		b.over[uid] = true
	}
	b.mu.Unlock()
	if left <= 0 {
		return nil, nil
	}
	inodes, fds, n := openSockets(at, left)
	b.mu.Lock()
	defer b.mu.Unlock()
	b.used[uid] += n
	b.over[uid] = b.over[uid] || n == left
	return inodes, fds
}

func (b *budget) err() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	var errs []error
	for uid, over := range b.over {
		if over {
			errs = append(errs, fmt.Errorf("not all open files of uid %d were looked at: there are too many", uid))
		}
	}
	return errors.Join(errs...)
}

// socketsOf lists the sockets that a process holds, and their descriptors there.
func socketsOf(at string) (inodes []uint64, fds []int) {
	inodes, fds, _ = openSockets(at, maxOpenFiles)
	return inodes, fds
}

// openSockets is socketsOf, of n open files of at most most.
func openSockets(at string, most int) (inodes []uint64, fds []int, n int) {
	dir, err := os.Open(at + "/fd")
	if err != nil {
		return nil, nil, 0
	}
	defer dir.Close()
	names, _ := dir.Readdirnames(most) // what is there before an error counts
	parts := slices.Collect(slices.Chunk(names, max(1, len(names)/runtime.GOMAXPROCS(0), fewFiles)))
	all := make([]held, len(parts))
	var wg sync.WaitGroup
	for i := 1; i < len(parts); i++ {
		wg.Go(func() { all[i] = heldSockets(dir, parts[i]) })
	}
	if len(parts) > 0 {
		all[0] = heldSockets(dir, parts[0])
	}
	wg.Wait()
	for _, part := range all {
		inodes, fds = append(inodes, part.inodes...), append(fds, part.fds...)
	}
	return inodes, fds, len(names)
}

// fewFiles are looked at faster than somebody is found who helps.
const fewFiles = 512

// held are sockets, and the descriptors by which a process holds them.
type held struct {
	inodes []uint64
	fds    []int
}

// heldSockets gives those among some open files of a process.
func heldSockets(dir *os.File, names []string) (out held) {
	var to [64]byte // longer than the name of a socket
	for _, name := range names {
		n, err := unix.Readlinkat(int(dir.Fd()), name, to[:])
		if err != nil {
			continue
		}
		num, ok := bytes.CutPrefix(to[:n], []byte("socket:["))
		if !ok {
			continue
		}
		fd, err1 := strconv.Atoi(name)
		ino, err2 := strconv.ParseUint(string(bytes.TrimSuffix(num, []byte("]"))), 10, 64)
		if err1 == nil && err2 == nil {
			out.inodes, out.fds = append(out.inodes, ino), append(out.fds, fd)
		}
	}
	return out
}

func readStat(at string) (procfs.Stat, error) {
	data, err := readFile(at+"/stat", 4096)
	if err != nil {
		return procfs.Stat{}, err
	}
	return procfs.ParseStat(data)
}

// parseStatus reads the effective uid and gid and the handled signals of
// /proc/PID/status. What is missing is nobody's id, and no signal.
func parseStatus(data []byte) (uid, gid uint32, catches uint64) {
	uid, gid = ^uint32(0), ^uint32(0)
	if f := statusLine(data, "Uid"); len(f) == 4 {
		if n, err := strconv.ParseUint(f[1], 10, 32); err == nil {
			uid = uint32(n)
		}
	}
	if f := statusLine(data, "Gid"); len(f) == 4 {
		if n, err := strconv.ParseUint(f[1], 10, 32); err == nil {
			gid = uint32(n)
		}
	}
	if f := statusLine(data, "SigCgt"); len(f) == 1 {
		if n, err := strconv.ParseUint(f[0], 16, 64); err == nil {
			catches = n
		}
	}
	return uid, gid, catches
}

// statusLine gives the words of a line. What a program calls itself, in the first one,
// cannot hold the end of a line.
func statusLine(data []byte, key string) []string {
	_, rest, ok := bytes.Cut(data, []byte("\n"+key+":"))
	if !ok {
		return nil
	}
	line, _, _ := bytes.Cut(rest, []byte{'\n'})
	return strings.Fields(string(line))
}

// handles reports whether a process does something of its own on a signal.
func handles(catches uint64, sig unix.Signal) bool { return catches&(1<<(uint(sig)-1)) != 0 }

// parseLocks gives who holds flock(2) locks, by file, from /proc/locks.
func parseLocks(data []byte) map[fileID][]int {
	out := map[fileID][]int{}
	for line := range bytes.Lines(data) {
		f := strings.Fields(string(line))
		if len(f) < 6 || f[1] != "FLOCK" {
			continue // or "->": one that waits
		}
		pid, err1 := strconv.Atoi(f[4])
		where := strings.Split(f[5], ":")
		if err1 != nil || len(where) != 3 {
			continue
		}
		major, err1 := strconv.ParseUint(where[0], 16, 32)
		minor, err2 := strconv.ParseUint(where[1], 16, 32)
		ino, err3 := strconv.ParseUint(where[2], 10, 64)
		if err := errors.Join(err1, err2, err3); err != nil {
			continue
		}
		id := fileID{unix.Mkdev(uint32(major), uint32(minor)), ino}
		out[id] = append(out[id], pid)
	}
	return out
}

// fileID names a file for as long as it is there.
type fileID struct{ dev, ino uint64 }

// sinceBoot is how long the machine has been up.
func sinceBoot() time.Duration {
	var ts unix.Timespec
	if unix.ClockGettime(unix.CLOCK_BOOTTIME, &ts) != nil {
		return 0
	}
	return time.Duration(ts.Nano())
}

func age(start uint64, up time.Duration) time.Duration {
	return max(0, up-time.Duration(start)*(time.Second/ticks)).Truncate(time.Second)
}

// readFile reads a small file of /proc; these never make a reader wait.
func readFile(path string, limit int) ([]byte, error) {
	fd, err := unix.Open(path, unix.O_RDONLY|unix.O_CLOEXEC|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, &os.PathError{Op: "open", Path: path, Err: err}
	}
	defer unix.Close(fd)
	return readAll(nil, fd, path, limit)
}

// readAll reads into buf, or, where that has no room, elsewhere.
func readAll(buf []byte, fd int, path string, limit int) ([]byte, error) {
	if buf = buf[:0]; cap(buf) == 0 {
		buf = make([]byte, 0, 2048)
	}
	for len(buf) < limit {
		if len(buf) == cap(buf) {
			buf = append(buf, 0)[:len(buf)]
		}
		n, err := unix.Read(fd, buf[len(buf):min(cap(buf), limit)])
		switch {
		case err == unix.EINTR:
		case err != nil:
			return nil, &os.PathError{Op: "read", Path: path, Err: err}
		case n == 0:
			return buf, nil
		default:
			buf = buf[:len(buf)+n]
		}
	}
	return buf, nil
}
