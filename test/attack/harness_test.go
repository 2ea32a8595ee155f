package attack

import (
	"bytes"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/muxward/muxward/internal/tmux/tmuxtest"
	"github.com/muxward/muxward/test/host"
)

func TestMain(m *testing.M) {
	becomeAsked()
	becomeLacking()
	becomeInPane()
	code := tmuxtest.Accounts(m)
	host.Clean()
	os.Exit(code)
}

// The people of the attacks. The owner has the sessions secret and shared;
// ghost has an account and is no person of the policy.
const (
	owner    = host.Alice
	viewer   = host.Bob
	typist   = host.Carol
	stranger = host.Mallory
	root     = "root"

	carol = typist // in rows that give her more
)

const (
	standardPeople = `people:
  mwalice: {}
  mwbob: {}
  mwcarol: {}
  mwmallory: {}
  root: {uid: 0}
`
	standardGrants = `grants:
  - {who: mwbob, role: viewer, on: mwalice/shared, reason: watches}
  - {who: mwcarol, role: viewer, on: mwalice/shared, reason: looks}
  - {who: mwcarol, role: typist, on: "mwalice/shared:0.0", reason: types}
  - {who: root, role: admin, on: "*", reason: runs it}
`
	// everyVerb is the policy of control runs that need no build of their own.
	everyVerb = standardGrants + `  - {who: mwbob, role: owner, on: mwalice, reason: control run}
  - {who: mwcarol, role: owner, on: mwalice, reason: control run}
  - {who: mwmallory, role: owner, on: mwalice, reason: control run}
`
	// ghostPeople knows nothing of mwmallory.
	ghostPeople = `people:
  mwalice: {}
  mwbob: {}
  mwcarol: {}
  root: {uid: 0}
`
)

// row is one attack. The zero fields mean the standard world.
type row struct {
	people, grants string
	cedar          string   // more rules
	reach          string   // ssh.yaml
	settings       string   // more of muxward's configuration
	accounts       []string // that are served besides those of the tests
	// profiles is the file of session profiles, and looseProfiles that of the control run, if it
	// is another. Their secret is w.password, in $BASE/secret.
	profiles, looseProfiles string
	conf                    string // the owner's tmux.conf
	env                     []string
	// teeth is the build of the control run, see host.Config.Build; loose, if set, is its
	// grants.yaml, and loosePeople its people.yaml.
	teeth, loose, loosePeople string
	// gains is how many successes the control run must have; 0 means 1.
	gains int
	// restless worlds are not compared with their beginning: the row itself
	// has people make and close things.
	restless bool
	// large rows have muxward hold much for a while, of which Go keeps the memory for minutes: that
	// is not compared.
	large bool
	// unlogged rows leave nothing that the log would hold.
	unlogged bool
	// change changes the command that starts muxward.
	change func(*exec.Cmd)
	// waits rows wait most of their time: both runs are at once.
	waits bool
	// paused rows stop muxward at failpoints: see world.pause.
	paused bool
	// ssh rows have the SSH door open for everybody, each with a key.
	ssh bool
	// sshMore is more of its configuration.
	sshMore string
	// pam is the stack by which people come to it by passwords: see host.Config.
	pam string
	// totp are second factors of people of ssh rows.
	totp map[string]string
	// ordinary has the control run go to an ordinary SSH server, not to the door.
	ordinary bool
	attack   func(w *world)
}

// run tries the row against muxward, and against the one without teeth.
func (r row) run(t *testing.T) {
	t.Helper()
	both := func(t *testing.T) {
		if r.waits {
			t.Parallel()
		}
	}
	t.Run("attack", func(t *testing.T) {
		both(t)
		w := r.stage(t, false)
		r.attack(w)
		w.oracles()
		for _, g := range w.gains {
			t.Errorf("the attack succeeded: %s", g)
		}
	})
	t.Run("control", func(t *testing.T) {
		both(t)
		r.control(t)
	})
}

// control shows that the attack can succeed. One that races may lose: it has three tries.
func (r row) control(t *testing.T) {
	t.Helper()
	want := max(r.gains, 1)
	var gains []string
	for range 3 {
		skipped := false
		t.Run("try", func(t *testing.T) {
			defer func() { skipped = t.Skipped() }()
			w := r.stage(t, true)
			r.attack(w)
			w.weigh()
			gains = w.gains
			t.Logf("without the check the attack succeeds %d times", len(gains))
		})
		if skipped {
			return // this machine lacks something that the row needs
		}
		if len(gains) >= want || t.Failed() {
			break
		}
	}
	if len(gains) < want && !t.Failed() {
		t.Errorf("without the check the attack succeeds %d times at most, want %d at least: this is no test\n%s",
			len(gains), want, strings.Join(gains, "\n"))
	}
}

// world is one muxward with the owner's sessions, and what an attack did to it.
type world struct {
	*host.Host
	t       *testing.T
	row     row
	control bool

	points string // the directory of failpoints, in a row that is paused
	mark   string // is in everything of session secret
	canary string // a directory that only attackers' commands write to
	// rec runs in pane a, shared:0.0, which the typist may type into; side in
	// pane b, shared:0.1.
	rec, side *tmuxtest.Recorder
	a, b      string // ids of the panes
	server    host.Server
	state     string
	base      calm
	// asked is when the daemon was asked last, and goroutines what it said.
	asked      time.Time
	goroutines int

	mu        sync.Mutex
	permitted []byte // what may have reached pane a
	anyInput  bool   // the row types as the owner: not compared
	gains     []string
	tries     []try
	heard     []heard
	terminals []*tmuxtest.Terminal
}

type try struct {
	who  string
	args []string
	code int
}

type heard struct {
	what string
	get  func() []byte
}

// stage starts a muxward with the owner's sessions.
func (r row) stage(t *testing.T, control bool) *world {
	t.Helper()
	w := &world{t: t, row: r, control: control, mark: "MARK-" + rand.Text()[:12]}
	files := map[string]string{"people.yaml": standardPeople, "grants.yaml": standardGrants}
	set := func(name, text string) {
		if text != "" {
			files[name] = text
		}
	}
	set("people.yaml", r.people)
	set("grants.yaml", r.grants)
	set("more.cedar", r.cedar)
	set("ssh.yaml", r.reach)
	cfg := host.Config{Policy: files, TmuxConf: r.conf, Env: r.env, Settings: r.settings, Accounts: r.accounts, Change: r.change}
	if cfg.Profiles = r.profiles; r.profiles != "" {
		cfg.Secrets = map[string]string{"secret": w.password() + "\n"}
	}
	if r.ssh {
		cfg.SSH, cfg.SSHMore, cfg.TOTP = []string{owner, viewer, typist, stranger}, r.sshMore, r.totp
	}
	if r.pam != "" {
		cfg.PAM, cfg.SSHMore = r.pam, r.sshMore
	}
	if control {
		set("grants.yaml", r.loose)
		set("people.yaml", r.loosePeople)
		cfg.Build = r.teeth
		if r.looseProfiles != "" {
			cfg.Profiles = strings.ReplaceAll(r.looseProfiles, "$PASSWORD", w.password())
		}
		if r.loose != "" {
			delete(files, "more.cedar")
		}
	} else if !r.paused { // a muxward that people run does not listen to this
		cfg.Env = append(slices.Clone(cfg.Env), host.Without(r.teeth)...)
	}
	if r.paused {
		w.points = tmuxtest.Dir(t, host.Serves(t)) // which takes them away
		cfg.Env = append(slices.Clone(cfg.Env), "MUXWARD_FAILPOINTS="+w.points)
		cfg.Build = strings.TrimPrefix(cfg.Build+",failpoints", ",")
	}
	w.Host = host.Start(t, cfg)
	if r.ordinary && control {
		w.SSHElsewhere = ordinary(t, w)
	}
	w.canary = tmuxtest.Dir(t, tmuxtest.Account{})
	if err := os.Chmod(w.canary, 0o777); err != nil {
		t.Fatal(err)
	}
	w.rec, w.side = tmuxtest.NewRecorder(t), tmuxtest.NewRecorder(t)
	w.a = w.Must(owner, "new-session", "-d", "-x", "80", "-y", "23", "-s", "shared", "-n", "work", "-P", "-F",
		"#{pane_id}", w.rec.Command())
	w.b = w.Must(owner, "split-window", "-d", "-t", "shared", "-P", "-F", "#{pane_id}", w.side.Command())
	w.Must(owner, "new-session", "-d", "-s", "secret", "-n", w.mark+"w",
		"while :; do echo "+w.mark+"; sleep 1; done")
	w.server = w.Server(owner)
	w.server.Run("set-buffer", "-b", w.mark+"b", w.mark+"-clipboard", ";", "set-environment", "-g", "SECRET_TOKEN", w.mark+"e")
	w.rec.WaitReady()
	w.side.WaitReady()
	w.state = w.server.State()
	w.settle()
	return w
}

// gain says that the attacker got something.
func (w *world) gain(format string, args ...any) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.gains = append(w.gains, fmt.Sprintf(format, args...))
}

// permit says that bytes may reach pane a, in this order.
func (w *world) permit(keys string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.permitted = append(w.permitted, keys...)
}

// try has an attacker run a tmux command; what they hear is kept for the
// mark, and that they tried must be in the log.
func (w *world) try(who string, args ...string) host.Result {
	w.t.Helper()
	r := w.Tmux(who, args...)
	w.note(who, args, r)
	return r
}

// refused tries what must fail; success is a gain.
func (w *world) refused(who string, args ...string) host.Result {
	w.t.Helper()
	r := w.try(who, args...)
	if r.Code == 0 {
		w.gain("%s: %q", who, args)
	}
	return r
}

func (w *world) note(who string, args []string, r host.Result) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.tries = append(w.tries, try{who, args, r.Code})
	w.heard = append(w.heard, heard{who + " " + strings.Join(args, " "), func() []byte { return []byte(r.Out + r.Err) }})
}

// attach puts an attacker on a terminal, and keeps what is shown there.
func (w *world) attach(who string, c tmuxtest.TerminalConfig, args ...string) *tmuxtest.Terminal {
	w.t.Helper()
	x := w.Terminal(who, c, args...)
	w.terminals = append(w.terminals, x)
	w.listen(who+"'s terminal", x.Bytes)
	return x
}

// as runs a program as a uid that need not have an account, through its door.
func (w *world) as(uid uint32, program string, args ...string) host.Result {
	w.t.Helper()
	cmd := exec.Command(program, args...)
	cmd.Dir = "/"
	cmd.Env = append(w.Env(stranger), "TMUX_TMPDIR="+w.Doors)
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uid, Gid: uid}}
	return w.start(fmt.Sprintf("uid %d", uid), cmd)
}

// rootCommand is a program that root runs with the test's environment.
func rootCommand(w *world, program string, args ...string) *exec.Cmd {
	cmd := exec.Command(program, args...)
	cmd.Env = append(os.Environ(), w.Env(root)...)
	return cmd
}

// start runs an attacker's program to its end and keeps what it heard.
func (w *world) start(who string, cmd *exec.Cmd) host.Result {
	w.t.Helper()
	out, err := tmuxtest.Output(cmd)
	r := host.Result{Out: out}
	var failed *tmuxtest.CommandError
	if errors.As(err, &failed) {
		r.Code, r.Err = failed.Code, failed.Stderr
	}
	w.listen(fmt.Sprintf("%s: %q", who, cmd.Args), func() []byte { return []byte(r.Out + r.Err) })
	return r
}

// accounts changes the accounts of this machine, as the tests see them, until
// the end of the test.
func (w *world) accounts(edit func(passwd string) string) {
	w.t.Helper()
	const path = "/etc/passwd" // the test's own copy lies over it
	old, err := os.ReadFile(path)
	if err == nil {
		err = os.WriteFile(path, []byte(edit(string(old))), 0o644)
	}
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() {
		if err := os.WriteFile(path, old, 0o644); err != nil {
			w.t.Error(err)
		}
	})
}

// listen keeps what an attacker hears by another way.
func (w *world) listen(what string, get func() []byte) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.heard = append(w.heard, heard{what, get})
}

// lure is a command that leaves a file in the canary's directory.
func (w *world) lure() string { return "touch " + w.canary + "/caught-$$" }

// weigh adds what the security oracles found to the gains.
func (w *world) weigh() {
	w.t.Helper()
	leave(w.terminals...)
	caught, err := os.ReadDir(w.canary)
	if err != nil {
		w.t.Fatal(err)
	}
	for _, f := range caught {
		w.gain("a command of the attacker ran: %s", f.Name())
	}
	for _, h := range w.heard {
		if bytes.Contains(h.get(), []byte(w.mark)) {
			w.gain("%s got bytes of the secret session", h.what)
		}
	}
	got := w.rec.Bytes()
	if !w.anyInput && !bytes.Equal(got, w.permitted) {
		w.gain("pane a received %q, permitted was %q", clip(got), clip(w.permitted))
	}
	if n := w.side.Len(); n > 0 && !w.anyInput {
		w.gain("pane b received %q", clip(w.side.Bytes()))
	}
	w.alive()
}

// alive finds whether the owner's server is as it was.
func (w *world) alive() {
	w.t.Helper()
	if _, err := os.Stat(fmt.Sprintf("/proc/%d", w.server.PID)); err != nil {
		w.gain("the owner's tmux server has gone")
		return
	}
	if w.row.restless {
		return
	}
	// A terminal that goes takes a moment to leave tmux's list.
	var now string
	same := w.soon(func() bool {
		now = w.server.State()
		return now == w.state
	})
	if !same {
		w.gain("the owner's server changed:\n%s", changes(w.state, now))
	}
}

// oracles asks everything after a run that must have gained nothing.
func (w *world) oracles() {
	w.t.Helper()
	w.weigh()
	swift(w.t, "alive: the owner's own command", func() {
		r := w.Tmux(owner, "display-message", "-p", "-t", "shared", "alive")
		if r.Code != 0 || r.Out != "alive\n" {
			w.t.Errorf("alive: the owner's own command: %+v", r)
		}
	})
	w.VerifyAudit()
	w.typedByLog()
	if !w.row.unlogged {
		var missing []string
		soon(func() bool { // what is only counted is written each second
			missing = w.unlogged()
			return len(missing) == 0
		})
		for _, what := range missing {
			w.t.Errorf("log: %s", what)
		}
	}
	w.base.again(w)
}

// unlogged says what the log does not: attempts that failed and are nowhere in
// it, and people of whom it has fewer than they made.
func (w *world) unlogged() (missing []string) {
	w.t.Helper()
	events := w.Audit()
	made, told := map[string]int{}, map[string]int{}
	for _, a := range w.tries {
		if a.code == 0 {
			continue
		}
		made[a.who]++
		if !logged(events, a) {
			missing = append(missing, fmt.Sprintf("nothing says that %s tried %.200q", a.who, a.args))
		}
	}
	for _, e := range events {
		if failed(e) {
			told[e.Person] += max(e.Count, 1)
		}
	}
	for who, n := range made {
		if told[who] < n {
			missing = append(missing, fmt.Sprintf("%s failed %d times, the log says %d", who, n, told[who]))
		}
	}
	return missing
}

// typedByLog compares the bytes in pane a with those the log permitted. Sums
// of keys are written each second.
func (w *world) typedByLog() {
	w.t.Helper()
	if w.anyInput {
		return
	}
	n, sum := w.rec.Len(), 0
	if !soon(func() bool {
		sum = w.sumByLog()
		return n <= sum
	}) {
		w.t.Errorf("recorder: pane a received %d bytes, the log permitted %d", n, sum)
	}
}

// sumByLog is the most that can have been typed into pane a by what the log
// permitted.
func (w *world) sumByLog() int {
	w.t.Helper()
	sum := 0
	for _, e := range w.Audit() {
		switch {
		case e.Kind == "keys" && slices.ContainsFunc(e.Objects, func(o string) bool { return strings.HasSuffix(o, "."+w.a) }):
			sum += e.Bytes
		case e.Kind == "intent" && len(e.Executed) > 0 && e.Executed[0] == "send-keys":
			sum += sentBy(e.Executed)
		}
	}
	return sum
}

// sentBy is the most that a send-keys command can have typed.
func sentBy(words []string) int {
	n, times := 0, 1
	for i, word := range words[1:] {
		if words[i] == "-N" {
			times, _ = strconv.Atoi(word)
		}
		n += max(len(word), 6) // a named key is a few bytes
	}
	return n * max(times, 1)
}

// logged reports whether an attempt that failed is in the log, with its
// person and a reason, or counted among many.
func logged(events []host.Event, a try) bool {
	return slices.ContainsFunc(events, func(e host.Event) bool {
		return e.Person == a.who && failed(e) && (e.Kind != "denied" || mentions(e.Asked, a.args))
	})
}

// failed reports whether an event tells of attempts that failed: refused, with
// a reason, or so many that they are only counted, or permitted and refused or
// failed when it was done.
func failed(e host.Event) bool {
	switch e.Kind {
	case "absorbed":
		return true
	case "denied":
		return !e.Allowed && (e.Reason != "" || e.Rule != "")
	case "outcome":
		return e.Reason != "" || e.Exit != 0
	}
	return false
}

// mentions compares what was asked with how the log tells it, which spells
// commands out and escapes what is not plain.
func mentions(asked, args []string) bool {
	last := args[len(args)-1]
	if len(args) == 1 || strings.Trim(last, "abcdefghijklmnopqrstuvwxyz0123456789/.-") != "" {
		return true
	}
	return slices.Contains(asked, last)
}

// leave has terminals go, however they feel about it.
func leave(terminals ...*tmuxtest.Terminal) {
	for _, x := range terminals {
		x.Resume()
		x.HangUp()
	}
}

// caught reports whether a command of the attacker left its file.
func caught(w *world) bool {
	files, err := os.ReadDir(w.canary)
	return err == nil && len(files) > 0
}

// baited waits until a lure has had its time: in a control run as long as it
// takes, else until the server has begun and ended a job after all others.
func (w *world) baited() {
	w.t.Helper()
	if w.control {
		soonIf(true, func() bool { return caught(w) })
		return
	}
	w.server.Run("run-shell", "true")
}

// soonIf waits for what the attacker hopes for: in a control run as long as it
// takes, else a moment.
func soonIf(control bool, ok func() bool) bool {
	if control {
		return within(10*time.Second, ok)
	}
	return within(300*time.Millisecond, ok)
}

// soon polls a condition for as long as anything may take here.
func soon(ok func() bool) bool { return within(tmuxtest.Patience, ok) }

// soon is that for what comes in an attack. In a control run it may never come.
func (w *world) soon(ok func() bool) bool {
	if w.control {
		return within(3*time.Second, ok)
	}
	return soon(ok)
}

// comes waits for what programs leave that were begun. In a control run some may never run.
func (w *world) comes(ok func() bool) bool {
	if w.control {
		return within(tmuxtest.Patience/4, ok)
	}
	return soon(ok)
}

func within(d time.Duration, ok func() bool) bool {
	deadline := time.Now().Add(d)
	for !ok() {
		if time.Now().After(deadline) {
			return false
		}
		<-time.After(5 * time.Millisecond)
	}
	return true
}

func changes(before, after string) string {
	var b strings.Builder
	old, now := strings.Split(before, "\n"), strings.Split(after, "\n")
	for _, l := range old {
		if !slices.Contains(now, l) {
			fmt.Fprintln(&b, "-", l)
		}
	}
	for _, l := range now {
		if !slices.Contains(old, l) {
			fmt.Fprintln(&b, "+", l)
		}
	}
	return b.String()
}

// swap is what somebody heard, with the name of a session replaced.
func swap(r host.Result, name string) string {
	return fmt.Sprintf("%d %q", r.Code, strings.ReplaceAll(r.Out+r.Err, "shared", name))
}

// alarmed fails unless the log has an alarm that holds text.
func (w *world) alarmed(text string) {
	w.t.Helper()
	if w.control {
		return
	}
	tmuxtest.Eventually(w.t, func() bool {
		return slices.ContainsFunc(w.Audit(), func(e host.Event) bool {
			return e.Kind == "alarm" && strings.Contains(e.Note, text)
		})
	}, "the log has an alarm: %s", text)
}

func clip(b []byte) []byte { return b[:min(len(b), 120)] }

// door is the socket of an account's door.
func (w *world) door(who string) string {
	uid := uint32(0)
	if who != root {
		uid = tmuxtest.As(w.t, who).UID
	}
	return filepath.Join(w.Doors, "tmux-"+strconv.Itoa(int(uid)), "default")
}
