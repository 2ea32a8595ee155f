package attack

import (
	"fmt"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/muxward/muxward/internal/tmux/tmuxtest"
	"github.com/muxward/muxward/test/host"
)

// stuck has a tmux server wait for a file that nobody writes, until end is called: it runs, and
// answers nobody.
func (b *bed) stuck() (end func()) {
	b.t.Helper()
	fifo := tmuxtest.Dir(b.t, tmuxtest.As(b.t, owner)) + "/fifo"
	if err := unix.Mkfifo(fifo, 0o666); err != nil {
		b.t.Fatal(err)
	}
	if err := os.Chmod(fifo, 0o666); err != nil {
		b.t.Fatal(err)
	}
	b.server.Run("run-shell", "-b", "-d", "0.1", "-C", "source-file "+fifo)
	tmuxtest.Eventually(b.t, func() bool {
		where, err := os.ReadFile(fmt.Sprintf("/proc/%d/wchan", b.server.PID))
		return err == nil && strings.Contains(string(where), "partner")
	}, "tmux waits for the file")
	return func() {
		came := make(chan struct{})
		stop := make(chan struct{})
		go func() {
			defer close(came)
			for {
				// It is opened by a writer only while somebody wants to read (fifo(7)): one that is stopped
				// asks anew when it goes on.
				if fd, err := unix.Open(fifo, unix.O_WRONLY|unix.O_NONBLOCK|unix.O_CLOEXEC, 0); err == nil {
					_ = unix.Close(fd)
					return
				}
				select {
				case <-stop:
					return
				case <-time.After(2 * time.Millisecond):
				}
			}
		}()
		b.t.Cleanup(func() { close(stop); <-came })
		tmuxtest.Eventually(b.t, func() bool { return b.state() == 'T' || !b.opens() }, "it has the file, or is stopped")
	}
}

// state is that of the tmux server's process.
func (b *bed) state() byte {
	b.t.Helper()
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", b.server.PID))
	if err != nil {
		b.t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(data), ") ")
	return rest[0]
}

// opens reports whether the server waits for the file still.
func (b *bed) opens() bool {
	where, err := os.ReadFile(fmt.Sprintf("/proc/%d/wchan", b.server.PID))
	return err == nil && strings.Contains(string(where), "partner")
}

// Carol, who may, makes a window just when the tmux server hangs: what it was sent lies in its
// socket, where nobody takes it back, and she hopes that it is done when the server comes back, and
// the lockdown has returned. The server is stopped. It goes on when that is unlocked, a restart of
// muxward between them included; what it had been sent is done then, before anybody is let in. In
// the control run it is not stopped.
func TestRV07StoppedUntilUnlocked(t *testing.T) {
	for _, build := range []string{"failpoints", "failpoints,teeth_halted"} {
		t.Run("build "+build, func(t *testing.T) {
			control := build != "failpoints"
			dir := tmuxtest.Dir(t, host.Serves(t))
			b := lay(t, host.Config{Build: build, Env: []string{"MUXWARD_FAILPOINTS=" + dir},
				Policy: map[string]string{"grants.yaml": bedGrants + "  - {who: mwcarol, role: operator, on: mwalice/other, reason: helps}\n"}})
			write := func(name, text string) {
				if err := os.WriteFile(dir+"/"+name, []byte(text), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			windows := func() string { return b.server.Run("list-windows", "-t", "other", "-F", "#{window_name}") }
			write("executor-run", "wait")
			x := b.Terminal(typist, tmuxtest.TerminalConfig{}, "new-window", "-d", "-t", "mwalice/other", "-n", "gained", "cat")
			tmuxtest.Eventually(t, func() bool { _, err := os.Stat(dir + "/executor-run"); return err != nil }, "it is about to be sent")
			comesBack := b.stuck()
			before := b.waiting()
			write("executor-run.go", "")
			tmuxtest.Eventually(t, func() bool { return b.waiting() > before }, "it lies in the socket")
			began := time.Now()
			r := b.Muxward(owner, "lockdown", "--reason", "incident")
			inTime(t, began, 5*time.Second, "%s", r.Err)
			if stopped := strings.Contains(r.Err, "it is stopped until this is unlocked"); r.Code == 0 || stopped == control {
				t.Errorf("lockdown: %+v", r)
			}
			x.ExitCode()
			if control {
				comesBack()
				tmuxtest.Eventually(t, func() bool { return strings.Contains(windows(), "gained") }, "control run: it is done")
				return
			}
			if b.state() != 'T' {
				t.Fatalf("the tmux server is not stopped: %c", b.state())
			}
			b.staysStopped()
			b.Kill()
			b.Run()
			b.staysStopped()
			if r := b.Muxward(owner, "unlock"); r.Code == 0 || !strings.Contains(r.Err, "nothing is unlocked") {
				t.Errorf("unlocked, and what it was sent is not done: %+v", r)
			}
			b.staysStopped()
			comesBack()
			if r := b.Muxward(owner, "unlock"); r.Code != 0 {
				t.Fatalf("unlock: %+v", r)
			}
			if got := windows(); !strings.Contains(got, "gained") { // before unlock has returned
				t.Errorf("what it was sent before is not done: %q", got)
			}
			b.typed(typist, "again")
		})
	}
}

// staysStopped tells of the lockdown and of the server's state.
func (b *bed) staysStopped() {
	b.t.Helper()
	if r := b.Muxward(owner, "lockdown", "--list"); !strings.Contains(r.Out, "mwalice\topen\tmwalice\t") {
		b.t.Errorf("it is not told that it is stopped: %+v", r)
	}
	if b.state() != 'T' {
		b.t.Errorf("the tmux server goes on: %c", b.state())
	}
}

// waiting is how many connections to tmux servers are not accepted: /proc/net/unix has those
// without an inode.
func (b *bed) waiting() (n int) {
	b.t.Helper()
	data, err := os.ReadFile("/proc/net/unix")
	if err != nil {
		b.t.Fatal(err)
	}
	for line := range strings.Lines(string(data)) {
		if f := strings.Fields(line); len(f) > 7 && f[6] == "0" && strings.HasPrefix(f[7], b.Base) && strings.Contains(f[7], "/in-") {
			n++
		}
	}
	return n
}

// What somebody else has stopped before, a lockdown and its end leave to them. A revocation stops
// nothing: that is the control run of who is stopped at all.
func TestRV07StoppedByOthers(t *testing.T) {
	t.Parallel()
	b := lay(t, host.Config{})
	signal(t, b.server.PID, sigStop)
	r := b.Muxward(owner, "lockdown")
	if r.Code == 0 || !strings.Contains(r.Err, "somebody else had stopped it") {
		t.Errorf("lockdown: %+v", r)
	}
	if r := b.Muxward(owner, "unlock"); r.Code != 0 {
		t.Errorf("unlock: %+v", r)
	}
	if b.state() != 'T' {
		t.Errorf("it goes on by itself: %c", b.state())
	}
	signal(t, b.server.PID, syscall.SIGCONT)
	comesBack := b.stuck()
	if r := b.Muxward(root, "revoke", typist); b.state() == 'T' {
		t.Errorf("a revocation stops the server: %+v", r)
	}
	comesBack()
	b.kept()
}

// Muxward is killed before the lockdown has come to its disk, and the owner hopes that the server,
// which is stopped, is theirs then. It is locked down all the same, and the host's keeper unlocks it.
// That is the control run, too.
func TestRV07StoppedAndNotKept(t *testing.T) {
	t.Parallel()
	b := lay(t, host.Config{})
	comesBack := b.stuck()
	if r := b.Muxward(owner, "lockdown"); r.Code == 0 || !strings.Contains(r.Err, "it is stopped until this is unlocked") {
		t.Fatalf("lockdown: %+v", r)
	}
	comesBack()
	b.Kill()
	if err := os.Remove(b.State + "/revocations.json"); err != nil {
		t.Fatal(err)
	}
	b.Run()
	if r := b.Muxward(owner, "unlock"); r.Code == 0 || !strings.Contains(r.Err, "locked down by muxward") || b.state() != 'T' {
		t.Errorf("its owner unlocks it: %+v", r)
	}
	if r := b.Muxward(root, "unlock", "-t", owner); r.Code != 0 {
		t.Errorf("unlock: %+v", r)
	}
	b.typed(typist, "again")
	b.kept()
}

// Carol holds lock on one session of alice's server, which hangs. She locks that down, and hopes that
// the server, which is others' as well, is stopped by it, or stays stopped when alice unlocks it. That
// alice's own lockdown stops it is the control run.
func TestRV07PartStopsNothing(t *testing.T) {
	t.Parallel()
	b := lay(t, host.Config{Policy: map[string]string{
		"grants.yaml": bedGrants + "  - {who: mwcarol, verbs: [view, lock], on: mwalice/other, reason: keeps it}\n"}})
	for _, act := range []string{"lockdown", "unlock"} { // so that the session is known when the server does not answer
		if r := b.Muxward(typist, act, "-t", "mwalice/other"); r.Code != 0 {
			t.Fatalf("%s: %+v", act, r)
		}
	}
	comesBack := b.stuck()
	if r := b.Muxward(typist, "lockdown", "-t", "mwalice/other"); strings.Contains(r.Err, "stopped until") || b.state() == 'T' {
		t.Errorf("a lockdown of one session stops the server: %+v", r)
	}
	if r := b.Muxward(typist, "lockdown", "--list"); !strings.Contains(r.Out, "mwalice/other\topen\t-\t") {
		t.Errorf("it is not locked down: %+v", r)
	}
	if r := b.Muxward(owner, "lockdown"); b.state() != 'T' {
		t.Errorf("control run: a lockdown of the server does not stop it: %+v", r)
	}
	if r := b.Muxward(typist, "unlock", "-t", "mwalice/other"); r.Code != 0 || b.state() != 'T' {
		t.Errorf("who unlocks a session lets the server go on: %+v", r)
	}
	if r := b.Muxward(typist, "lockdown", "-t", "mwalice/other"); b.state() != 'T' {
		t.Errorf("%+v", r)
	}
	comesBack()
	if r := b.Muxward(owner, "unlock"); r.Code != 0 || b.state() == 'T' {
		t.Errorf("a lockdown of one session keeps the server stopped: %+v", r)
	}
	if r := b.Muxward(typist, "unlock", "-t", "mwalice/other"); r.Code != 0 {
		t.Errorf("unlock: %+v", r)
	}
	b.typed(typist, "again")
	b.kept()
}

// Root has locked down the host, and alice her server, which is stopped. Both unlock at the same time:
// neither leaves it to the other to let the server go on. Only one of two lockdowns unlocked, it stays
// stopped: that is the control run.
func TestRV07LastTwoUnlocked(t *testing.T) {
	t.Parallel()
	dir := tmuxtest.Dir(t, host.Serves(t))
	b := lay(t, host.Config{Build: "failpoints", Env: []string{"MUXWARD_FAILPOINTS=" + dir}})
	write := func(name, text string) {
		if err := os.WriteFile(dir+"/"+name, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	comesBack := b.stuck()
	if r := b.Muxward(owner, "lockdown"); b.state() != 'T' {
		t.Fatalf("lockdown: %+v", r)
	}
	b.Muxward(root, "lockdown", "--host") // it is not confirmed
	if r := b.Muxward(owner, "unlock"); r.Code != 0 || b.state() != 'T' {
		t.Errorf("control run: it goes on, and the host is locked down: %+v", r)
	}
	b.Muxward(owner, "lockdown")
	comesBack()
	write("lift", "wait")
	lifted := make(chan host.Result, 1)
	go func() { lifted <- b.Muxward(owner, "unlock") }()
	tmuxtest.Eventually(t, func() bool { _, err := os.Stat(dir + "/lift"); return err != nil }, "alice's is about to be lifted")
	if r := b.Muxward(root, "unlock", "--host"); r.Code != 0 {
		t.Errorf("root: %+v", r)
	}
	write("lift.go", "")
	if r := <-lifted; r.Code != 0 {
		t.Errorf("alice: %+v", r)
	}
	if b.state() == 'T' {
		t.Error("nothing is locked down, and the server is stopped")
	}
	b.typed(typist, "again")
	b.kept()
}

// Alice's tmux server hangs when root locks down the host, and does not come back when that is unlocked: all
// the others wait for her, it seems. Bob's server is not stopped with hers, and he goes on; hers stays
// stopped and locked down, and she does not lift that herself. That bob's is locked down until then is the control run.
func TestRV07OneHoldsUpNobody(t *testing.T) {
	t.Parallel()
	b := lay(t, host.Config{})
	b.Must(viewer, "new-session", "-d", "-s", "own", "cat")
	types := func() bool { return b.Tmux(viewer, "send-keys", "-t", "own", "x").Code == 0 }
	comesBack := b.stuck()
	if r := b.Muxward(root, "lockdown", "--host"); b.state() != 'T' || strings.Contains(r.Err, viewer+"'s tmux server") {
		t.Fatalf("lockdown: %+v", r)
	}
	if types() {
		t.Error("control run: bob is not locked down")
	}
	if r := b.Muxward(root, "unlock", "--host"); r.Code == 0 || !strings.Contains(r.Err, "all else is unlocked") {
		t.Errorf("unlock: %+v", r)
	}
	if !types() {
		t.Error("bob is locked out by alice's server")
	}
	if r := b.Muxward(owner, "unlock"); r.Code == 0 || b.state() != 'T' {
		t.Errorf("alice lifts it: %+v", r)
	}
	comesBack()
	if r := b.Muxward(root, "unlock", "-t", owner); r.Code != 0 {
		t.Errorf("unlock: %+v", r)
	}
	b.typed(typist, "again")
	b.kept()
}

// The tmux server hangs when alice locks it down. Carol types on, and hopes that this is done when the
// server answers, as it is unlocked by then. What she types behind that arrives: that is the control run.
func TestRV07TypedUnderIt(t *testing.T) {
	t.Parallel()
	b := lay(t, host.Config{})
	c := b.Terminal(typist, tmuxtest.TerminalConfig{}, "attach", "-t", "mwalice/shared")
	c.WaitFor("recording")
	before, under := "before"+randomWord(), "under"+randomWord()
	tmuxtest.Eventually(t, func() bool { c.Type(before); return strings.Contains(string(b.rec.Bytes()), before) }, "carol types")
	signal(t, b.server.PID, sigStop)
	if r := b.Muxward(owner, "lockdown"); r.Code == 0 {
		t.Errorf("lockdown: %+v", r)
	}
	c.Type(under)
	unlocked := make(chan host.Result, 1)
	go func() { unlocked <- b.Muxward(owner, "unlock") }() // it waits for the server longer than a key does
	tmuxtest.Eventually(t, func() bool { return b.Muxward(owner, "lockdown", "--list", "--json").Out == "[]\n" }, "it is unlocked")
	signal(t, b.server.PID, sigCont)
	<-unlocked
	again := "again" + randomWord()
	tmuxtest.Eventually(t, func() bool { c.Type(again); return strings.Contains(string(b.rec.Bytes()), again) }, "carol types again")
	if got := string(b.rec.Bytes()); strings.Contains(got, under) {
		t.Errorf("typed under the lockdown, and arrived: %q", clip([]byte(got)))
	}
	b.kept()
}
