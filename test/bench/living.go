package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/muxward/muxward/internal/access"
	"github.com/muxward/muxward/internal/grants"
	"github.com/muxward/muxward/internal/identity"
	"github.com/muxward/muxward/internal/server/ctld"
)

// The crowd: so many people are attached, in groups of ten at a session each, and so
// many grants were given beside those of the policy files. One of each of the first
// groups types, as fast as people do who type fast.
const (
	livingSize   = 1000
	livingGroups = 100
	livingTypers = 10
	// livingLookers may only look until something is given to them.
	livingLookers = 10
	livingGrants  = 9_900 // by ten givers; the store holds 10,000
	livingHomes   = 20    // servers, where people have servers of their own
	typingPause   = 100 * time.Millisecond
)

// living is the crowd while it is attached.
type living struct {
	b      *bed
	homes  []home
	people []*looker
	stop   chan struct{}
	wg     sync.WaitGroup
	lasts  lasts
	costs  costs
}

// looker is one of the crowd: what is delivered to their terminal is read as it comes,
// and each part of it has the time at which it was read.
type looker struct {
	*attached
	mu    sync.Mutex
	seen  []byte
	parts []part
	done  chan struct{}
}

// part is what was read at once: so many bytes of what was seen, and when.
type part struct {
	size int
	at   time.Time
}

// livingCrowd measures how long it takes to revoke one of 1,000 attached people who
// types, until it has returned; to lock down the whole host; and from the call that
// gives somebody the right to type until the first key of theirs has come to the program
// in the pane. After each return marks are put behind what was delivered and accepted:
// whatever comes after them came too late, and fails the measurement. The last byte before
// them has a time as well, which is told; it is that of its reader, who gets a processor late
// where two thousand others want one, so it fails nothing. What muxward and tmux have spent of
// the processor between call and return is told as well: on a machine that does other things
// besides that says more than the time. The crowd is at so many servers of others, in equal
// parts; with none all of them are at ours.
func livingCrowd(homes int) func(*bed, int) (string, error) {
	return func(host *bed, n int) (string, error) { return measureLiving(homes, host, n) }
}

func measureLiving(homes int, host *bed, n int) (string, error) {
	if os.Geteuid() != 0 {
		return "skipped: people with accounts of their own need root", nil
	}
	b := &bed{bin: host.bin, people: livingSize, prepare: (*bed).giveMany, owners: homes}
	b.more = func(owner string, i int) string {
		role := "typist"
		if i >= livingSize-livingLookers {
			role = "viewer"
		}
		if homes > 0 {
			owner = homeOwner(homeOf(homes, i))
		}
		return fmt.Sprintf("  - {who: c%d, role: %s, on: %s/%s, reason: in the crowd}\n", i, role, owner, group(i))
	}
	b, err := b.open()
	if err != nil {
		return "", err
	}
	defer b.close()
	l := &living{b: b, stop: make(chan struct{})}
	defer l.close()
	if err := l.gather(homes); err != nil {
		return "", err
	}
	var told []string
	for _, m := range []struct {
		name string
		one  func(turn int) (time.Duration, error)
	}{
		{"revoke", l.revoke},
		{"lockdown", func(int) (time.Duration, error) { return l.lockdown(false) }},
		{"grant to first key", l.grant},
		{"lockdown --views", func(int) (time.Duration, error) { return l.lockdown(true) }},
	} {
		var s series
		turns := n
		l.lasts, l.costs = lasts{}, costs{}
		if m.name == "lockdown --views" {
			turns = 1 // nobody is there any more
		}
		for turn := range turns {
			err := l.calm()
			var took time.Duration
			if err == nil {
				took, err = m.one(turn)
			}
			if err == nil && m.name != "lockdown --views" {
				err = l.allThere()
			}
			if err != nil {
				return "", fmt.Errorf("%s, turn %d: %w (until then: %s; %s p50 %s of %d)", m.name, turn, err,
					strings.Join(told, ", "), m.name, short(s.at(.5)), len(s))
			}
			s = append(s, took)
		}
		told = append(told, fmt.Sprintf("%s p50 %s p99 %s of %d%s%s", m.name, short(s.at(.5)), short(s.at(.99)), turns, &l.costs, l.lasts))
	}
	return strings.Join(told, ", ") + "; each turn begins with the host at rest", nil
}

// giveMany fills the store of grants before muxward starts.
func (b *bed) giveMany() error {
	if err := os.Mkdir(b.dir+"/state", 0o700); err != nil {
		return err
	}
	ctx, now := context.Background(), time.Now()
	s, err := grants.OpenStore(ctx, filepath.Join(b.dir, "state", "grants.db"), grants.ClockAt(now))
	if err != nil {
		return err
	}
	verbs, _ := access.Typist.Verbs()
	for i := range livingGrants {
		owner := b.owner()
		if b.owners > 0 {
			owner = homeOwner(i % b.owners)
		}
		_, err := s.Give(ctx, grants.Grant{
			Who: fmt.Sprintf("p%d", i%1000), What: "typist", Verbs: verbs, Target: owner,
			On:     access.Object{Kind: access.Server, Owner: owner},
			Giver:  identity.Subject{Person: fmt.Sprintf("g%d", i%givers), UID: -1, Door: "ctl"},
			Source: "command line", Reason: "many", At: now,
		}, grants.ClockAt(now), func(grants.Grant) error { return nil })
		if err != nil {
			return errors.Join(err, s.Close())
		}
	}
	return s.Close()
}

func group(i int) string { return fmt.Sprint("crowd", i%livingGroups) }

// homeOf gives at which of so many servers a group is.
func homeOf(homes, i int) int { return i % livingGroups % homes }

// home gives the server at which a group is.
func (l *living) home(i int) home { return l.homes[homeOf(len(l.homes), i)] }

// target names the session of a group.
func (l *living) target(i int) string { return l.home(i).owner + "/" + group(i) }

// gather has everybody come.
func (l *living) gather(homes int) error {
	if err := l.b.build(homes); err != nil {
		return err
	}
	if l.homes = l.b.homes; homes == 0 {
		l.homes = []home{{owner: l.b.owner(), socket: l.b.socket, dir: l.b.dir, program: l.b.self}}
	}
	for i := range livingGroups {
		h := l.home(i)
		cmd := fmt.Sprintf("%s pane record %s", h.program, l.record(i))
		if out, err := l.b.tmuxAs(h.who, "new-session", "-d", "-s", group(i), "-x", "200", "-y", "50", cmd); err != nil {
			return fmt.Errorf("%w: %s", err, out)
		}
	}
	return l.comeAll()
}

// comeAll attaches everybody, some at a time.
func (l *living) comeAll() error {
	l.people = make([]*looker, livingSize)
	errs := make([]error, 8)
	var wg sync.WaitGroup
	for n := range errs {
		wg.Go(func() {
			for i := n; i < livingSize && errs[n] == nil; i += len(errs) {
				l.people[i], errs[n] = l.come(i)
			}
		})
	}
	wg.Wait()
	if err := errors.Join(errs...); err != nil {
		return err
	}
	for i := livingGroups; i < livingGroups+livingTypers; i++ { // others than those who are revoked
		l.wg.Go(func() { l.types(l.people[i]) })
	}
	return nil
}

func (l *living) record(i int) string {
	return fmt.Sprintf("%s/record-%d", l.home(i).dir, i%livingGroups)
}

// come attaches one of them.
func (l *living) come(i int) (*looker, error) {
	a, err := l.b.onTerminal(exec.Command("tmux", "attach", "-t", l.target(i)), guest(i))
	if err != nil {
		return nil, err
	}
	if err := a.until("PANE-READY"); err != nil {
		a.close()
		return nil, fmt.Errorf("person %d does not come in: %w", i, err)
	}
	x := &looker{attached: a, done: make(chan struct{})}
	_ = a.master.SetReadDeadline(time.Time{})
	go x.reads()
	return x, nil
}

// keepSeen is how much of what was delivered last is kept: no less than is read at once.
const keepSeen = 16 << 10

func (x *looker) reads() {
	defer close(x.done)
	buf := make([]byte, 16<<10)
	for {
		n, err := x.master.Read(buf)
		at := time.Now()
		x.mu.Lock()
		x.seen, x.parts = append(x.seen, buf[:n]...), append(x.parts, part{n, at})
		for len(x.seen) > keepSeen { // parts go as a whole, so that each byte has its time
			x.seen = append(x.seen[:0], x.seen[x.parts[0].size:]...)
			x.parts = append(x.parts[:0], x.parts[1:]...)
		}
		x.mu.Unlock()
		if err != nil {
			return
		}
	}
}

// after waits until a text was delivered, and gives what came behind it.
func (x *looker) after(text string) ([]byte, error) {
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(time.Millisecond) {
		x.mu.Lock()
		_, rest, found := bytes.Cut(x.seen, []byte(text))
		rest = bytes.Clone(rest)
		x.mu.Unlock()
		if found {
			return rest, nil
		}
	}
	return nil, fmt.Errorf("%q does not come to the terminal", text)
}

// behind gives what came behind a mark to a terminal that has ended. Without the mark it
// had ended before that was put there: nobody held it any more, so nothing came later.
func (x *looker) behind(mark string) []byte {
	x.mu.Lock()
	defer x.mu.Unlock()
	_, rest, _ := bytes.Cut(x.seen, []byte(mark))
	return bytes.Clone(rest)
}

// forget has only count what is delivered from now on.
func (x *looker) forget() {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.seen, x.parts = x.seen[:0], x.parts[:0]
}

// tail gives the end of what was delivered.
func (x *looker) tail(n int) []byte {
	x.mu.Lock()
	defer x.mu.Unlock()
	return bytes.Clone(x.seen[max(len(x.seen)-n, 0):])
}

// last gives when the last byte before a mark was read, or the very last if the terminal
// had ended before the mark; zero if there was none since it was forgotten.
func (x *looker) last(mark string) (at time.Time) {
	x.mu.Lock()
	defer x.mu.Unlock()
	end := bytes.Index(x.seen, []byte(mark))
	if end < 0 {
		end = len(x.seen)
	}
	for _, p := range x.parts {
		if end <= 0 {
			break
		}
		if p.size > 0 {
			at = p.at
		}
		end -= p.size
	}
	return at
}

// mark writes behind all that was delivered: a terminal keeps the order.
func (x *looker) mark(text string) error {
	raw, err := x.master.SyscallConn()
	if err != nil {
		return err
	}
	fd, oerr := -1, error(nil)
	if err := raw.Control(func(master uintptr) {
		peer, _, e := unix.Syscall(unix.SYS_IOCTL, master, unix.TIOCGPTPEER, unix.O_RDWR|unix.O_NOCTTY|unix.O_CLOEXEC)
		if fd = int(peer); e != 0 {
			oerr = e
		}
	}); err != nil || oerr != nil {
		return errors.Join(err, oerr)
	}
	defer unix.Close(fd)
	_, err = unix.Write(fd, []byte(text))
	return err
}

func (x *looker) leave() {
	x.close()
	<-x.done
}

// types presses a key again and again: another one than those type who are revoked.
func (l *living) types(x *looker) {
	tick := time.NewTicker(typingPause)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			_, _ = x.master.Write([]byte("t"))
		case <-l.stop:
			return
		}
	}
}

func (l *living) close() {
	close(l.stop)
	l.wg.Wait()
	for _, x := range l.people {
		if x != nil {
			x.leave()
		}
	}
}

// calmTime is how soon a command through muxward is done where nothing is behind.
const calmTime = 100 * time.Millisecond

// calm waits until what the turn before has had drawn for all is done with: people are not
// locked down again while they are still told of the last time.
func (l *living) calm() error {
	for deadline := time.Now().Add(patience); ; {
		begin := time.Now()
		if out, err := l.b.tmux("display-message", "-p", "-t", l.target(0), "calm"); err != nil {
			return fmt.Errorf("%w: %s", err, out)
		}
		if time.Since(begin) < calmTime || time.Now().After(deadline) {
			return nil // if it never is, that is how it is
		}
	}
}

// allThere says who has gone that nobody has sent away.
func (l *living) allThere() error {
	for i, x := range l.people {
		select {
		case <-x.done:
			log, _ := l.b.muxward("audit", "query", "--kind", "detach", "--who", fmt.Sprintf("c%d", i))
			return fmt.Errorf("person %d has gone; the log says %q, their display ended with %q", i, log[max(len(log)-400, 0):], x.tail(400))
		default:
		}
	}
	return nil
}

func (l *living) call(c ctld.Call) error {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	return c.Do(ctx, l.b.dir+"/d/run/ctl", nil)
}

// ownLines is what may come behind a mark on a terminal that has been given back: keys
// that it echoes itself, and the last line of the client.
var ownLines = regexp.MustCompile(`^[kt\r\n]*(\[[a-z ]+\]\r\n)?[kt\r\n]*$`)

// accepted is one key, or several, as the program in a pane got them.
type accepted struct {
	at   time.Time
	keys string
}

// lasts is when each person's last byte was read, counted from the return of the call that
// ended it: less than nothing is before that.
type lasts struct{ delivered, accepted series }

// String tells the latest of each.
func (l lasts) String() string {
	var told []string
	for _, one := range []struct {
		what string
		s    series
	}{{"delivered", l.delivered}, {"accepted", l.accepted}} {
		if len(one.s) == 0 {
			continue
		}
		early := 0
		for _, d := range one.s {
			if d <= 0 {
				early++
			}
		}
		told = append(told, fmt.Sprintf("last byte %s %+.1f ms, %d of %d before it", one.what, float64(one.s.at(1))/1e6, early, len(one.s)))
	}
	if len(told) == 0 {
		return ""
	}
	return " (from the return: " + strings.Join(told, "; ") + ")"
}

// deliveredTo notes when somebody's last byte before a mark was read.
func (l *living) deliveredTo(x *looker, mark string, returned time.Time) {
	if at := x.last(mark); !at.IsZero() {
		l.lasts.delivered = append(l.lasts.delivered, at.Sub(returned))
	}
}

// acceptedFrom notes when the last of somebody's keys was read by the program in their pane.
func (l *living) acceptedFrom(i int, key string, returned time.Time) error {
	got, err := l.took(i)
	if err != nil {
		return err
	}
	for _, a := range slices.Backward(got) {
		if strings.Contains(a.keys, key) {
			l.lasts.accepted = append(l.lasts.accepted, a.at.Sub(returned))
			break
		}
	}
	return nil
}

// took gives what the program in the pane of a group has been given.
func (l *living) took(i int) ([]accepted, error) {
	data, err := os.ReadFile(l.record(i))
	if err != nil {
		return nil, err
	}
	var out []accepted
	for line := range strings.Lines(string(data)) {
		ns, keys, found := strings.Cut(strings.TrimSuffix(line, "\n"), " ")
		at, err := strconv.ParseInt(ns, 10, 64)
		if text, uerr := strconv.Unquote(keys); found && err == nil && uerr == nil {
			out = append(out, accepted{time.Unix(0, at), text})
		}
	}
	return out, nil
}

// markPane types a mark past muxward, behind all that was typed, and gives what came to
// the program behind it until a second mark had come: what was on its way is there then.
func (l *living) markPane(i, turn int) (late string, err error) {
	first, second := fmt.Sprintf("<%d|", turn), fmt.Sprintf("|%d>", turn)
	for _, mark := range []string{first, second} {
		out, err := exec.Command("tmux", "-S", l.home(i).socket, "set-buffer", "-b", "mark", mark, ";", "paste-buffer", "-d", "-b", "mark", "-t", "="+group(i)+":").CombinedOutput()
		if err != nil {
			return "", fmt.Errorf("%w: %s", err, out)
		}
	}
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(time.Millisecond) {
		got, err := l.took(i)
		if err != nil {
			return "", err
		}
		var text strings.Builder
		for _, a := range got {
			text.WriteString(a.keys)
		}
		_, rest, _ := strings.Cut(text.String(), first)
		if late, _, found := strings.Cut(rest, second); found {
			return late, nil
		}
	}
	return "", errors.New("the mark does not come to the pane")
}

// revoke takes everything from one of them who types, and lets them come again.
func (l *living) revoke(turn int) (time.Duration, error) {
	i := turn % livingGroups
	x, stop, typed := l.people[i], make(chan struct{}), make(chan struct{})
	go func() {
		defer close(typed)
		for tick := time.Tick(5 * time.Millisecond); ; {
			select {
			case <-tick:
				_, _ = x.master.Write([]byte("k"))
			case <-stop:
				return
			}
		}
	}()
	time.Sleep(50 * time.Millisecond)
	x.forget()
	call := ctld.Call{Act: "revoke", Person: fmt.Sprintf("c%d", i), Reason: "measured"}
	before, begin := l.b.spent(), time.Now()
	err := l.call(call)
	returned := time.Now()
	took := returned.Sub(begin)
	mark := fmt.Sprintf("RETURNED-%d", turn)
	err = errors.Join(err, x.mark(mark+"\r\n"))
	spentBy := l.b.spent().since(before)
	time.Sleep(20 * time.Millisecond)
	close(stop)
	<-typed
	l.costs.add(spentBy)
	if err != nil {
		return 0, err
	}
	late, err := l.markPane(i, turn)
	if err != nil || strings.Contains(late, "k") { // others go on there
		return 0, errors.Join(err, fmt.Errorf("%q came to the pane after revoke had returned", late))
	}
	if _, err := x.after("may not view this any more"); err != nil {
		return 0, err
	}
	<-x.done // their client has ended
	if shown := x.behind(mark); !ownLines.Match(shown) {
		return 0, fmt.Errorf("%.200q was shown after revoke had returned", shown)
	}
	l.deliveredTo(x, mark, returned)
	if err := l.acceptedFrom(i, "k", returned); err != nil {
		return 0, err
	}
	x.leave()
	call.Undo = true
	if err := l.call(call); err != nil {
		return 0, err
	}
	l.people[i], err = l.come(i)
	return took, err
}

// lockdown freezes the host while some type, and ends that.
func (l *living) lockdown(views bool) (time.Duration, error) {
	for _, x := range l.people {
		x.forget()
	}
	call := ctld.Call{Act: "lockdown", All: true, Views: views, Reason: "measured"}
	before, begin := l.b.spent(), time.Now()
	if err := l.call(call); err != nil {
		return 0, err
	}
	returned := time.Now()
	took := returned.Sub(begin)
	if !views { // else the marks come first
		l.costs.add(l.b.spent().since(before))
	}
	turn := int(begin.UnixNano())
	mark := fmt.Sprintf("RETURNED-%d", turn)
	if views {
		for _, x := range l.people {
			if err := x.mark(mark + "\r\n"); err != nil {
				return 0, err
			}
		}
	}
	for i := range livingTypers {
		late, err := l.markPane(i, turn)
		if err != nil || late != "" {
			return 0, errors.Join(err, fmt.Errorf("%q came to a pane after lockdown had returned", late))
		}
		if err := l.acceptedFrom(i, "t", returned); err != nil {
			return 0, err
		}
	}
	if err := l.call(ctld.Call{Act: "unlock", All: true}); err != nil || !views {
		return took, err
	}
	for i, x := range l.people {
		<-x.done
		if shown := x.behind(mark); !ownLines.Match(shown) {
			return 0, fmt.Errorf("%.200q was shown to person %d after lockdown had returned", shown, i)
		}
		l.deliveredTo(x, mark, returned)
	}
	return took, nil
}

// grant gives one of the last, who may only look, the right to type, and takes it
// back when the first key has been accepted.
func (l *living) grant(turn int) (time.Duration, error) {
	i := livingSize - 1 - turn%livingLookers
	var given struct {
		ID int64 `json:"id"`
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	before, begin := l.b.spent(), time.Now()
	call := ctld.Call{Act: "grant", Person: fmt.Sprintf("c%d", i), Target: l.target(i), Role: "typist", For: "1h", Reason: "measured"}
	if err := call.Do(ctx, l.b.dir+"/d/run/ctl", &given); err != nil {
		return 0, err
	}
	key := string(rune('0' + turn%10))
	for deadline := time.Now().Add(patience); ; time.Sleep(5 * time.Millisecond) {
		// Again and again: one that is typed as rights change may be dropped.
		_, werr := l.people[i].master.Write([]byte(key))
		got, err := l.took(i)
		if err = errors.Join(err, werr); err != nil {
			return 0, err
		}
		for _, a := range got {
			if a.at.After(begin) && strings.Contains(a.keys, key) {
				l.costs.add(l.b.spent().since(before))
				return a.at.Sub(begin), l.call(ctld.Call{Act: "take-back", ID: given.ID, Reason: "measured"})
			}
		}
		if time.Now().After(deadline) {
			return 0, fmt.Errorf("the first key of person %d is not accepted; their display ended with %q", i, l.people[i].tail(400))
		}
	}
}
