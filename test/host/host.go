package host

import (
	"bytes"
	"context"
	"encoding/json"
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

	"golang.org/x/sys/unix"

	"github.com/muxward/muxward/internal/attach"
	"github.com/muxward/muxward/internal/tmux/tmuxtest"
)

// Patience bounds every wait.
const Patience = tmuxtest.Patience

// The people of the tests, by the names of their accounts.
const (
	Alice   = tmuxtest.Alice
	Bob     = tmuxtest.Bob
	Carol   = tmuxtest.Carol
	Mallory = tmuxtest.Mallory
	// Work is nobody's: people share it.
	Work = tmuxtest.Work
	// Ward is what muxward runs as beside muxward-helper.
	Ward = tmuxtest.Ward
)

// Config says what muxward [Start] starts.
type Config struct {
	// Policy holds the policy's files; people.yaml and grants.yaml are there,
	// without any grant, unless given.
	Policy map[string]string
	// User runs it in user mode as this account, else as root for all.
	User string
	// By runs it in user mode as an account that only a [Directory] has.
	By tmuxtest.Account
	// Account is the account that it runs as beside muxward-helper, instead of as root; by
	// default what MUXWARD_TEST_ACCOUNT says.
	Account string
	// TmuxConf is the configuration of every server; by default none.
	TmuxConf string
	// Accounts are served besides those of the tests, such as "@devs".
	Accounts []string
	// Settings are more lines of muxward's own configuration.
	Settings string
	// Profiles is the file of session profiles, in which $BASE is Host.Base, and Secrets are
	// files there that only root reads.
	Profiles string
	Secrets  map[string]string
	// SSH names people who may come by ssh, each with a key of their own; with nobody
	// the door is closed.
	SSH []string
	// SSHListen is where the ssh door listens; by default on a loopback address.
	SSHListen string
	// SSHMore is more of the ssh door's configuration; $BASE is Host.Base.
	SSHMore string
	// TOTP are secrets of people for the second factor of the ssh door, if there are any.
	TOTP map[string]string
	// PAM is the stack of a PAM service, of which there is one for each host: with it
	// people come to the SSH door by the passwords of their accounts.
	PAM string
	// Env is more environment of muxward itself.
	Env []string
	// Build names what muxward is built with, with commas between: failpoints, checks of
	// internal/teeth that a control run takes out, as in teeth_decide,teeth_visible, or any
	// other build tag. The environment that takes checks out is that of serve and of what
	// [Host.Muxward] runs; what others start has every check in.
	Build string
	// Program is muxward itself, in the place of one that is built; beside it is muxward-helper.
	Program string
	// State is the state directory, Doors that of the doors; by default new
	// ones.
	State, Doors string
	// Change changes the command that starts muxward, such as where it runs.
	Change func(*exec.Cmd)
}

// Host is a running muxward.
type Host struct {
	t   testing.TB
	cfg Config
	bin string
	as  tmuxtest.Account
	pam string // its service

	Base   string // everything below is in it
	State  string
	Policy string
	Doors  string
	// SSHElsewhere, if set, is where people go in the place of the SSH door.
	SSHElsewhere string

	mu  sync.Mutex
	cmd *exec.Cmd
	out *lockedBuffer
	end chan struct{}
}

// noPeople is a policy that lists the accounts of the tests and grants
// nothing.
const noPeople = `people:
  mwalice: {}
  mwbob: {}
  mwcarol: {}
  mwmallory: {}
  root: {uid: 0}
`

// Start starts muxward and waits until it is ready. It is killed at the end of
// the test, and so are the tmux servers it started.
func Start(t testing.TB, cfg Config) *Host {
	t.Helper()
	h := Prepare(t, cfg)
	h.Run()
	return h
}

// Serves is the account that a muxward for all serves as, unless its Config says.
func Serves(t testing.TB) tmuxtest.Account {
	if name := os.Getenv("MUXWARD_TEST_ACCOUNT"); name != "" {
		return tmuxtest.As(t, name)
	}
	return tmuxtest.Account{}
}

// Prepare makes everything for a muxward and does not start it.
func Prepare(t testing.TB, cfg Config) *Host {
	t.Helper()
	h := &Host{t: t, cfg: cfg, bin: Build(t, cfg.Build)}
	if cfg.Program != "" {
		h.bin = cfg.Program
	}
	if cfg.User != "" {
		h.as = tmuxtest.As(t, cfg.User)
	} else if h.as = cfg.By; cfg.By.Name == "" {
		tmuxtest.As(t, Alice) // skips where there are no accounts
	}
	if cfg.User == "" && cfg.By.Name == "" && cfg.Account == "" {
		h.cfg.Account = os.Getenv("MUXWARD_TEST_ACCOUNT")
	}
	more := ""
	if h.cfg.Account != "" && cfg.Account == "" {
		more = ", root" // it has a door by itself where muxward is root
	}
	if h.cfg.Account != "" {
		buildHelper(t, cfg.Build)
		if cfg.Change == nil && !landlock() { // what is tried here goes on without
			cfg.Settings = "without_landlock: true\n" + cfg.Settings
		}
		cfg.Settings = "account: " + h.cfg.Account + "\n" + cfg.Settings
	}
	for _, a := range cfg.Accounts {
		more += fmt.Sprintf(", %q", a)
	}
	h.Base = tmuxtest.Dir(t, h.as)
	if cfg.Profiles != "" {
		cfg.Settings += "profiles: " + h.Base + "/profiles.yaml\n"
	}
	h.State, h.Policy, h.Doors = h.Base+"/state", h.Base+"/policy", h.Base+"/d"
	if cfg.State != "" {
		h.State = cfg.State
	}
	if cfg.Doors != "" {
		h.Doors = cfg.Doors
	}
	files := map[string]string{"people.yaml": noPeople, "grants.yaml": "grants: []\n"}
	for name, text := range cfg.Policy {
		files[name] = text
	}
	h.must(os.MkdirAll(h.Policy, 0o755))
	for name, text := range files {
		h.must(os.WriteFile(filepath.Join(h.Policy, name), []byte(text), 0o644))
	}
	conf := cfg.TmuxConf
	h.must(os.WriteFile(h.Base+"/tmux.conf", []byte(conf), 0o644))
	h.must(os.WriteFile(h.Base+"/muxward.yaml", fmt.Appendf(nil,
		"tmux_config: [%s/tmux.conf]\naccounts: [mwalice, mwbob, mwcarol, mwmallory%s]\n%s%s", h.Base, more, cfg.Settings, h.prepareSSH()), 0o644))
	if cfg.Profiles != "" {
		h.WriteProfiles(cfg.Profiles)
	}
	for name, text := range cfg.Secrets {
		h.must(os.WriteFile(filepath.Join(h.Base, name), []byte(text), 0o600))
	}
	if strings.Contains(cfg.Settings, "isolated:") || cfg.Profiles != "" {
		buildPane(t, cfg.Build, filepath.Dir(h.bin))
	}
	if strings.Contains(cfg.Settings, "pam_service:") {
		buildPAM(t, cfg.Build, filepath.Dir(h.bin))
	}
	t.Cleanup(h.killServers)
	return h
}

// WriteProfiles writes the file of session profiles.
func (h *Host) WriteProfiles(text string) {
	h.t.Helper()
	h.must(os.WriteFile(h.Base+"/profiles.yaml", []byte(strings.ReplaceAll(text, "$BASE", h.Base)), 0o644))
}

func (h *Host) must(err error) {
	h.t.Helper()
	if err != nil {
		h.t.Fatal(err)
	}
}

// Run starts muxward, again after [Host.Kill] or [Host.Stop], and waits until
// it is ready.
func (h *Host) Run() {
	h.t.Helper()
	if err := h.TryRun(); err != nil {
		h.t.Fatal(err)
	}
}

// TryRun is Run for a muxward that may refuse to start.
func (h *Host) TryRun() error {
	h.t.Helper()
	cmd := h.as.Command(h.bin, "serve", "--config", h.Base+"/muxward.yaml",
		"--state", h.State, "--policy", h.Policy, "--doors", h.Doors)
	cmd.Env = append(h.as.Env(h.cfg.Env...), Without(h.cfg.Build)...)
	out := &lockedBuffer{}
	cmd.Stdout, cmd.Stderr = out, out
	cmd.WaitDelay = Patience
	if h.cfg.Change != nil {
		h.cfg.Change(cmd)
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	end := make(chan struct{})
	go func() {
		defer close(end)
		_ = cmd.Wait() // told by out
	}()
	h.mu.Lock()
	h.cmd, h.out, h.end = cmd, out, end
	h.mu.Unlock()
	h.t.Cleanup(func() {
		_ = cmd.Process.Kill() // it may have ended
		<-end
		if _, race, found := strings.Cut(out.String(), "WARNING: DATA RACE"); found {
			h.t.Errorf("muxward has a data race:%s", race)
		}
	})
	deadline := time.After(Patience)
	for !strings.Contains(out.String(), "is ready") {
		select {
		case <-end:
			return fmt.Errorf("muxward did not start:\n%s", out)
		case <-deadline:
			return fmt.Errorf("muxward is not ready:\n%s", out)
		case <-time.After(5 * time.Millisecond):
		}
	}
	return nil
}

// Bin is the muxward program.
func (h *Host) Bin() string { return h.bin }

// Output is what muxward printed so far.
func (h *Host) Output() string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.out.String()
}

// PID is muxward's process.
func (h *Host) PID() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.cmd.Process.Pid
}

// Daemon is the process that people speak with: muxward's, or that which muxward-helper has
// started.
func (h *Host) Daemon() int {
	h.t.Helper()
	pid := h.PID()
	if h.cfg.Account == "" {
		return pid
	}
	uid := tmuxtest.As(h.t, h.cfg.Account).UID
	files, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", pid)) // no error is possible
	for _, f := range files {
		data, _ := os.ReadFile(f) // a thread that has ended has none
		for _, child := range strings.Fields(string(data)) {
			var st syscall.Stat_t
			if n, err := strconv.Atoi(child); err == nil && syscall.Stat("/proc/"+child, &st) == nil && st.Uid == uid {
				return n
			}
		}
	}
	h.t.Fatalf("process %d has no child of uid %d; it says:\n%s", pid, uid, h.Output())
	return 0
}

// Signal sends muxward a signal.
func (h *Host) Signal(sig syscall.Signal) {
	h.t.Helper()
	h.must(syscall.Kill(h.PID(), sig))
}

// Kill kills muxward and waits until it is gone.
func (h *Host) Kill() {
	h.t.Helper()
	h.Signal(syscall.SIGKILL)
	h.waitEnd()
}

// Stop asks muxward to end, as a service manager does, and waits for it.
func (h *Host) Stop() {
	h.t.Helper()
	h.Signal(syscall.SIGTERM)
	h.waitEnd()
}

// Stopped waits until muxward has ended, as a storm of signals had it, and
// gives its exit code; -1 if a signal ended it.
func (h *Host) Stopped() int {
	h.t.Helper()
	h.waitEnd()
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.cmd.ProcessState.ExitCode()
}

func (h *Host) waitEnd() {
	h.t.Helper()
	h.mu.Lock()
	end := h.end
	h.mu.Unlock()
	select {
	case <-end:
	case <-time.After(Patience):
		h.t.Fatalf("muxward did not end:\n%s", h.Output())
	}
}

// killServers kills the tmux servers that muxward started, which outlive it.
func (h *Host) killServers() {
	files, _ := filepath.Glob(h.Doors + "/run/servers/*.json")
	for _, f := range files {
		var rec struct{ PID int }
		data, err := os.ReadFile(f)
		if err == nil && json.Unmarshal(data, &rec) == nil && rec.PID > 1 {
			_ = syscall.Kill(rec.PID, syscall.SIGKILL) // it may have ended
		}
	}
}

// WritePolicy replaces a file of the policy in one step.
func (h *Host) WritePolicy(name, text string) {
	h.t.Helper()
	tmp := filepath.Join(h.Base, "new-"+name)
	h.must(os.WriteFile(tmp, []byte(text), 0o644))
	h.must(os.Rename(tmp, filepath.Join(h.Policy, name)))
}

// Reload writes a policy file and waits until it is in force. What is there already is
// put in force only if it is not: then the log tells that muxward has looked.
func (h *Host) Reload(name, text string) {
	h.t.Helper()
	old, _ := os.ReadFile(filepath.Join(h.Policy, name)) // none is another text
	same, looked, before := string(old) == text, 0, h.generation()
	if same {
		looked = len(h.AuditKind("reload"))
	}
	h.WritePolicy(name, text)
	h.Signal(syscall.SIGHUP)
	tmuxtest.Eventually(h.t, func() bool {
		return h.generation() > before || same && len(h.AuditKind("reload")) > looked
	}, "the policy is in force")
}

func (h *Host) generation() int { return h.Status().Generation }

// Status is what `muxward status` says of itself to whoever keeps the host.
type Status struct{ Generation, Goroutines int }

// Status asks muxward how it is; the zero Status is that of one that does not
// answer.
func (h *Host) Status() Status {
	var s Status
	r := h.Muxward("", "status", "--json")
	_ = json.Unmarshal([]byte(r.Out), &s)
	return s
}

// Result is how a command ended.
type Result struct {
	Out, Err string
	Code     int
}

// Env is what an account's environment holds that goes through muxward.
func (h *Host) Env(who string) []string {
	a := tmuxtest.Account{}
	if who != "" && who != "root" {
		a = tmuxtest.As(h.t, who)
	}
	return a.Env("TMUX_TMPDIR="+h.Doors, "MUXWARD_STATE="+h.State, "TERM=xterm-256color", "LANG=C.UTF-8")
}

// Tmux runs the stock tmux client of an account, through muxward.
func (h *Host) Tmux(who string, args ...string) Result {
	h.t.Helper()
	return h.Exec(who, nil, "tmux", args...)
}

// Muxward runs one of muxward's own commands as an account; "" is who runs
// muxward.
func (h *Host) Muxward(who string, args ...string) Result {
	h.t.Helper()
	return h.Exec(who, nil, h.bin, args...)
}

// Exec runs a program as an account, with stdin if that is not nil.
func (h *Host) Exec(who string, stdin []byte, program string, args ...string) Result {
	h.t.Helper()
	a := h.as
	if who != "" && who != "root" {
		a = tmuxtest.As(h.t, who)
	} else if who == "root" {
		a = tmuxtest.Account{}
	}
	cmd := a.Command(program, args...)
	cmd.Env = h.Env(who)
	if program == h.bin {
		cmd.Env = append(cmd.Env, Without(h.cfg.Build)...)
	}
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	if stdin != nil {
		cmd.Stdin = bytes.NewReader(stdin)
	}
	if program == h.bin && len(args) > 0 && slices.Contains([]string{"approve", "deny", "lease"}, args[0]) ||
		slices.ContainsFunc(args, func(arg string) bool { return strings.HasPrefix(arg, "MUXWARD_ALLOW") }) {
		defer h.handed(cmd)()
	}
	cmd.WaitDelay = Patience // a server may be slow to close what its client was given
	ctx, cancel := context.WithTimeout(context.Background(), Patience)
	defer cancel()
	if err := cmd.Start(); err != nil {
		h.t.Fatalf("%s %q: %v", program, args, err)
	}
	stop := context.AfterFunc(ctx, func() { _ = cmd.Process.Kill() })
	defer stop()
	err := cmd.Wait()
	if ctx.Err() != nil {
		h.t.Fatalf("%s: %s %q did not end; muxward says:\n%s", who, program, args, h.Output())
	}
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		h.t.Fatalf("%s %q: %v", program, args, err)
	}
	return Result{out.String(), errs.String(), cmd.ProcessState.ExitCode()}
}

// handed has a command run on a terminal of its own, without which nobody answers what
// somebody asks for, or has a session's environment give something. What it gives ends the terminal.
func (h *Host) handed(cmd *exec.Cmd) (end func()) {
	p, err := attach.OpenPty(attach.Size{Cols: 80, Rows: 24})
	h.must(err)
	peer, err := p.Peer()
	h.must(err)
	cmd.ExtraFiles = []*os.File{peer}
	cmd.SysProcAttr.Setsid, cmd.SysProcAttr.Setctty, cmd.SysProcAttr.Ctty = true, true, 3 // the first of them
	return func() { peer.Close(); p.Close() }
}

// Must runs the stock tmux client of an account and fails unless it exits 0.
func (h *Host) Must(who string, args ...string) string {
	h.t.Helper()
	r := h.Tmux(who, args...)
	if r.Code != 0 {
		h.t.Fatalf("%s: tmux %q: exit %d, %s%s\nmuxward says:\n%s", who, args, r.Code, r.Err, r.Out, h.Output())
	}
	return strings.TrimSuffix(r.Out, "\n")
}

// Terminal runs the stock tmux client of an account on a terminal.
func (h *Host) Terminal(who string, c tmuxtest.TerminalConfig, args ...string) *tmuxtest.Terminal {
	h.t.Helper()
	if who != "" && who != "root" {
		c.As = tmuxtest.As(h.t, who)
	}
	c.Env = append(c.Env, "TMUX_TMPDIR="+h.Doors, "MUXWARD_STATE="+h.State, "LANG=C.UTF-8")
	return tmuxtest.Attach(h.t, c, args...)
}

// Server is a guarded tmux server, seen past muxward as its own account could:
// what really is there.
type Server struct {
	h      *Host
	Owner  string
	PID    int
	Socket string
	// Account is what it runs as.
	Account string
}

// Server gives the guarded server of a person.
func (h *Host) Server(owner string) Server {
	h.t.Helper()
	files, _ := filepath.Glob(h.Doors + "/run/servers/*.json")
	for _, f := range files {
		var rec struct {
			ID, Owner string
			PID       int
			Account   struct{ Name string }
		}
		data, err := os.ReadFile(f)
		h.must(err)
		h.must(json.Unmarshal(data, &rec))
		if rec.Owner == owner {
			return Server{h, owner, rec.PID, h.Doors + "/run/servers/" + rec.ID + "/s", rec.Account.Name}
		}
	}
	h.t.Fatalf("%s has no server", owner)
	return Server{}
}

// Run runs tmux at the server itself, past muxward, as its own account.
func (s Server) Run(args ...string) string {
	s.h.t.Helper()
	out, err := s.Try(args...)
	if err != nil {
		s.h.t.Fatal(err)
	}
	return out
}

// Try is Run for what may fail.
func (s Server) Try(args ...string) (string, error) {
	a := tmuxtest.Account{}
	if s.Account != "root" {
		a = tmuxtest.As(s.h.t, s.Account)
	}
	out, err := tmuxtest.Output(a.Command("tmux", append([]string{"-S", s.Socket}, args...)...))
	return strings.TrimSuffix(out, "\n"), err
}

// State is everything about a server that a command could change, as text.
func (s Server) State() string {
	s.h.t.Helper()
	return s.Run("list-sessions", "-F", "S #{session_id} #{session_name} #{session_group} #{session_attached}",
		";", "list-windows", "-a", "-F", "W #{session_id} #{window_index} #{window_id} #{window_name} #{window_flags} #{window_layout}",
		";", "list-panes", "-a", "-F", "P #{pane_id} #{pane_index} #{pane_pid} #{pane_active} #{pane_in_mode} #{pane_dead} #{pane_title}",
		";", "show-options", "-g", ";", "show-options", "-s", ";", "show-environment", "-g",
		";", "list-buffers", ";", "list-keys", ";", "show-hooks", "-g")
}

// Event is one line of the audit log, as far as tests look at it.
type Event struct {
	Seq      uint64    `json:"seq"`
	Time     time.Time `json:"time"`
	Kind     string    `json:"kind"`
	Person   string    `json:"person"`
	Answer   string    `json:"answer"`
	Account  string    `json:"account"`
	Door     string    `json:"door"`
	From     string    `json:"from"`
	Key      string    `json:"key"`
	Inside   string    `json:"inside"`
	Asked    []string  `json:"asked"`
	Executed []string  `json:"executed"`
	Objects  []string  `json:"objects"`
	Verbs    []string  `json:"verbs"`
	Allowed  bool      `json:"allowed"`
	Rule     string    `json:"rule"`
	Reason   string    `json:"reason"`
	Note     string    `json:"note"`
	Bytes    int       `json:"bytes"`
	Content  []byte    `json:"content"`
	Exit     int       `json:"exit"`
	Count    int       `json:"count"`
}

// Audit gives the whole log, but for each single delivery of keys.
func (h *Host) Audit() []Event { return h.audit() }

// AuditKind gives what the log has of one kind.
func (h *Host) AuditKind(kind string) []Event { return h.audit("--kind", kind) }

func (h *Host) audit(which ...string) []Event {
	h.t.Helper()
	r := h.Muxward("", append([]string{"audit", "query", "--json", "--state", h.State}, which...)...)
	if r.Code != 0 {
		h.t.Fatalf("audit query: %s%s", r.Err, r.Out)
	}
	var out []Event
	d := json.NewDecoder(strings.NewReader(r.Out))
	for d.More() {
		var e Event
		h.must(d.Decode(&e))
		out = append(out, e)
	}
	return out
}

// VerifyAudit fails unless the log verifies.
func (h *Host) VerifyAudit() {
	h.t.Helper()
	if r := h.Muxward("", "audit", "verify", "--state", h.State); r.Code != 0 {
		h.t.Fatalf("audit verify: exit %d\n%s%s", r.Code, r.Out, r.Err)
	}
}

// lockedBuffer is a buffer for a process's output.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// Ended reports whether muxward has ended.
func (h *Host) Ended() bool {
	h.mu.Lock()
	end := h.end
	h.mu.Unlock()
	select {
	case <-end:
		return true
	default:
		return false
	}
}

// landlock reports whether the kernel has Landlock (landlock_create_ruleset(2)).
func landlock() bool {
	abi, _, err := unix.Syscall(unix.SYS_LANDLOCK_CREATE_RULESET, 0, 0, unix.LANDLOCK_CREATE_RULESET_VERSION)
	return err == 0 && abi > 0
}
