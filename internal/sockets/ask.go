package sockets

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/muxward/muxward/internal/identity"
	"github.com/muxward/muxward/internal/tmux"
	"github.com/muxward/muxward/internal/tmux/wire"
)

const (
	askTime   = 2 * time.Second  // that one server may take to answer
	askOfOne  = 10 * time.Second // and all servers of one account together
	askGrace  = 3 * time.Second  // for the process that asks to start
	maxAskers = 8                // accounts whose servers are asked side by side
	maxAnswer = 1 << 20          // bytes of one answer, and of all that is kept of them
	maxKept   = 100              // names of one kind that are kept
	maxText   = 200              // bytes of one, and
	maxShown  = 4 * maxText      // as they are shown, with escapes
)

// Asked is what a server says of itself. Whose server it is says what it likes: it is
// about that account alone.
type Asked struct {
	Version string `json:"version"`
	// Confined: who asked it could open no file and start nothing. A kernel without
	// Landlock has nothing that does this; then only the account's rights are the limit.
	Confined bool `json:"confined"`
	// Sixel is "1" or "0" as it draws SIXEL images or cannot; empty if it does not say.
	Sixel string `json:"sixelSupport,omitempty"`
	// Access lists who the server lets in, beside its own account and root: accounts
	// with (R) or (W), in newer versions (U,R) or (U,W), and groups with (G,R) or (G,W).
	Access []string `json:"access,omitempty"`
	// Clipboard, Passthrough, Default, LockAfter and LockCommand are global options. Of
	// commands only the program is kept: the rest may hold secrets. The last two are nil
	// if they were not asked.
	Clipboard   string  `json:"setClipboard,omitempty"`
	Passthrough string  `json:"allowPassthrough,omitempty"`
	Default     string  `json:"defaultCommand,omitempty"`
	LockAfter   *string `json:"lockAfterTime,omitempty"`
	LockCommand *string `json:"lockCommand,omitempty"`
	// LockKey: a key is bound to lock-session; nil if that was not asked.
	LockKey *bool `json:"lockKey,omitempty"`
	// Through are panes that have allow-passthrough on.
	Through []string `json:"through,omitempty"`
	// Updates are names of update-environment that tmux does not come with.
	Updates []string `json:"updates,omitempty"`
	// Programs are global hooks and options that run programs.
	Programs []string `json:"programs,omitempty"`
	// Secrets are names in the global environment that look like secrets.
	Secrets []string `json:"secrets,omitempty"`
	// Hidden are commands that were not asked, as aliases take their names.
	Hidden []string `json:"hidden,omitempty"`
	// Unclear are commands whose answers were not understood, and not taken for anything.
	Unclear []string `json:"unclear,omitempty"`
}

// question is what a process is told that asks a server.
type question struct {
	UID   uint32 `json:"uid"`
	Owner string `json:"owner"` // the account's name
	PID   int    `json:"pid"`
	Path  Path   `json:"path"`
	File  File   `json:"file"`
}

type answer struct {
	Asked *Asked `json:"asked,omitempty"`
	Error string `json:"error,omitempty"`
}

// Ask has the servers of s asked for what they say of themselves, each by a process
// with the rights of its account and no others, and, unless only is "", at a path below
// that. It takes a little longer than most at most. s.Skipped says which did not answer.
func (m Mender) Ask(ctx context.Context, most time.Duration, only string, s *Scan) {
	ctx, cancel := context.WithTimeout(ctx, most)
	defer cancel()
	by := map[uint32][]asking{}
	for i, srv := range s.Servers {
		if at := askable(srv, only); at != nil && (s.UID == 0 || s.UID == srv.UID) {
			by[srv.UID] = append(by[srv.UID], asking{i, *at})
		}
	}
	var mu sync.Mutex
	free := make(chan struct{}, maxAskers)
	var wg sync.WaitGroup
	for _, uid := range slices.Sorted(maps.Keys(by)) {
		free <- struct{}{}
		wg.Go(func() {
			defer func() { <-free }()
			m.askAll(ctx, s, by[uid], &mu)
		})
	}
	wg.Wait()
}

// asking is a server of a scan, by its place there, and where it is asked.
type asking struct {
	server int
	at     Bound
}

// askAll has the servers of one account asked, one after the other: they take the time
// of no other account's.
func (m Mender) askAll(ctx context.Context, s *Scan, servers []asking, mu *sync.Mutex) {
	ctx, cancel := context.WithTimeout(ctx, askOfOne)
	defer cancel()
	uid := s.Servers[servers[0].server].UID
	account, _ := identity.NewAccounts().ByUID(ctx, uid) // who has no name has none on the list
	skip := func(path Path, format string, args ...any) {
		mu.Lock()
		defer mu.Unlock()
		s.Skipped = append(s.Skipped, Skipped{Path: path, Reason: escape(fmt.Sprintf(format, args...))})
	}
	for n, one := range servers {
		i, at := one.server, one.at
		srv := s.Servers[i]
		if ctx.Err() != nil {
			skip(at.Path, "process %d and %d more of uid %d were not asked: those before took too long", srv.PID, len(servers)-n-1, uid)
			return
		}
		asked, err := m.ask(ctx, question{UID: uid, Owner: account.Name, PID: srv.PID, Path: at.Path, File: *at.File})
		if err != nil {
			skip(at.Path, "process %d was not asked: %v", srv.PID, err)
			continue
		}
		if len(asked.Hidden) > 0 {
			skip(at.Path, "process %d was not asked for all: its aliases take the names of %s", srv.PID, some(asked.Hidden))
		}
		if len(asked.Unclear) > 0 {
			skip(at.Path, "process %d was not asked for all: what it answers to %s is not understood", srv.PID, some(asked.Unclear))
		}
		if _, err := tmux.ParseVersion(asked.Version); err != nil {
			skip(at.Path, "process %d was not asked for more than its version, which is not known: %s", srv.PID, asked.Version)
		}
		mu.Lock()
		s.Servers[i].Asked = asked
		mu.Unlock()
	}
}

// askable gives where a server can be asked: it has to be tmux by what it runs, at a
// path that means the same here, and below only.
func askable(srv Server, only string) *Bound {
	if srv.Program != "tmux" || srv.Known != "executable" || slices.Contains(srv.Apart, "mnt") || slices.Contains(srv.Apart, "root") {
		return nil
	}
	for i := range srv.Sockets {
		b := &srv.Sockets[i]
		if b.Place == Here && b.File != nil && (only == "" || under(filepath.Clean(string(b.Path)), filepath.Clean(only))) {
			return b
		}
	}
	return nil
}

// ask has a process ask one server.
func (m Mender) ask(ctx context.Context, q question) (*Asked, error) {
	in, out, stop, err := m.start(ctx, time.Now().Add(askTime+askGrace))
	if err != nil {
		return nil, fmt.Errorf("start a process that asks: %w", err)
	}
	defer stop()
	defer context.AfterFunc(ctx, func() { _ = out.SetReadDeadline(time.Unix(1, 0)) })()
	var a answer
	err = json.NewEncoder(in).Encode(q)
	if err == nil {
		err = json.NewDecoder(io.LimitReader(out, maxAnswer)).Decode(&a)
	}
	switch {
	case err != nil:
		return nil, fmt.Errorf("who asks it gave no answer: %w", err)
	case a.Error != "":
		return nil, errors.New(keep(a.Error))
	case a.Asked == nil:
		return nil, errors.New("who asks it gave an empty answer")
	case !a.Asked.fit():
		return nil, errors.New("who asks it gave an answer that is not fit to be shown")
	}
	return a.Asked, nil
}

// ServeAsk is the process that asks one server: it takes on the rights of the account
// for good, holds the socket, gives up all files, and asks.
func ServeAsk(in io.Reader, out io.Writer) error {
	time.AfterFunc(askTime+askGrace, func() { os.Exit(1) }) // nobody waits for it any more
	var q question
	if err := json.NewDecoder(in).Decode(&q); err != nil {
		return fmt.Errorf("what to ask cannot be read: %w", err)
	}
	var a answer
	asked, err := q.ask()
	if a.Asked = asked; err != nil {
		a = answer{Error: err.Error()}
	}
	return json.NewEncoder(out).Encode(a)
}

func (q question) ask() (*Asked, error) {
	if err := refuseSetuid(); err != nil {
		return nil, err
	}
	if err := become(q.UID); err != nil {
		return nil, err
	}
	pin, err := pinAt(unix.AT_FDCWD, string(q.Path))
	if err != nil {
		return nil, err
	}
	defer pin.Close()
	now, err := statFD(int(pin.Fd()))
	if err == nil && !same(now, q.File) {
		err = errChanged
	}
	if err != nil {
		return nil, err
	}
	files, err := confine()
	if err != nil {
		return nil, fmt.Errorf("give up what asking does not need: %w", err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), askTime)
	defer cancel()
	s := interview{q: q, pin: pin, ctx: ctx, out: Asked{Confined: !files}}
	return s.all()
}

// interview is a row of questions to one server, each by a client of its own: what one
// answer holds is never taken for another.
type interview struct {
	q    question
	pin  *os.File
	ctx  context.Context
	opts tmux.ParseOptions
	out  Asked
}

func (s *interview) all() (*Asked, error) {
	// An abbreviation is what is least likely to be an alias.
	version, err := s.run("display-messag", "-p", "#{version}")
	if err != nil {
		return nil, err
	}
	s.out.Version = keep(strings.TrimSpace(version))
	v, err := tmux.ParseVersion(s.out.Version)
	if err != nil {
		return &s.out, nil // it is no release; nothing is known of its commands
	}
	s.opts.Version = v
	aliases, err := s.run("show-optio", "-s", "command-alias")
	if err != nil {
		return nil, err
	}
	s.opts.Aliases = tmux.ParseAliases(aliases, v)
	for _, step := range []func() error{s.askAccess, s.askSixel, s.askOptions, s.askPanes, s.askPrograms, s.askEnvironment, s.askKeys} {
		if err := step(); err != nil && !errors.Is(err, errHidden) {
			return nil, err
		}
	}
	return &s.out, nil
}

// errHidden is the error of a command that was not asked. What it would have answered is
// not known: it is not the same as an empty answer.
var errHidden = errors.New("an alias has its name")

// say asks with a command's own name, whatever aliases there are. One that they hide is
// not asked.
func (s *interview) say(words ...string) (string, error) {
	name, ok := tmux.SpellCommand(words[0], s.opts)
	if !ok {
		if !slices.Contains(s.out.Hidden, words[0]) {
			s.out.Hidden = append(s.out.Hidden, words[0])
		}
		return "", errHidden
	}
	return s.run(append([]string{name}, words[1:]...)...)
}

// errRefused is the error of a command that the server does not carry out.
var errRefused = errors.New("the server refuses")

func (s *interview) run(argv ...string) (string, error) {
	c, err := wire.Dial(s.ctx, procPath(s.pin), wire.Unknown)
	if err != nil {
		return "", err
	}
	defer c.Close()
	if err := s.listener(c); err != nil {
		return "", err
	}
	var out, errs bounded
	exit, err := c.Run(s.ctx, &wire.Hello{Flags: wire.FlagUTF8, PID: int32(os.Getpid()), Cwd: "/", Argv: argv}, wire.StdFiles(nil, &out, &errs))
	if err != nil {
		return "", fmt.Errorf("%s: %w", argv[0], err)
	}
	if exit.Code != 0 {
		return "", fmt.Errorf("%s: %w: %.200q", argv[0], errRefused, strings.TrimSpace(errs.String()+exit.Message))
	}
	return out.String(), nil
}

// listener makes sure that it is the server that was found which answers.
func (s *interview) listener(c *wire.Conn) error {
	raw, err := c.NetConn().SyscallConn()
	if err != nil {
		return err
	}
	var cred *unix.Ucred
	var inner error
	err = raw.Control(func(fd uintptr) { cred, inner = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED) })
	if err = errors.Join(err, inner); err == nil && (cred.Uid != s.q.UID || int(cred.Pid) != s.q.PID) {
		err = errChanged
	}
	return err
}

func (s *interview) askAccess() error {
	if !s.opts.Version.AtLeast(tmux.Version{Major: 3, Minor: 3}) {
		return nil
	}
	text, err := s.say("server-access", "-l")
	if err != nil {
		return err
	}
	// The server's own name for its account is the one on its list, wherever accounts
	// come from there. 3.3 does not say it.
	owner, err := s.say("display-message", "-p", "#{user}")
	if err != nil && !errors.Is(err, errHidden) {
		return err
	}
	if owner = strings.TrimSuffix(owner, "\n"); owner == "" {
		owner = s.q.Owner
	}
	var ok bool
	if s.out.Access, ok = strangers(text, owner, s.q.UID == 0); !ok {
		s.unclear("server-access")
	}
	return nil
}

// askSixel asks for what a defect needs. Before 3.6 nobody says.
func (s *interview) askSixel() error {
	if !s.opts.Version.AtLeast(tmux.Version{Major: 3, Minor: 6}) {
		return nil
	}
	text, err := s.say("display-message", "-p", "#{sixel_support}")
	if said := strings.TrimSpace(text); said == "0" || said == "1" {
		s.out.Sixel = said
	}
	return err
}

// unclear remembers that an answer to a command was not understood.
func (s *interview) unclear(command string) { add(&s.out.Unclear, command) }

func (s *interview) askOptions() error {
	var after, command, start string
	for _, o := range []struct {
		to         *string
		flag, name string
	}{
		{&s.out.Clipboard, "-sqv", "set-clipboard"},
		{&s.out.Passthrough, "-gwqv", "allow-passthrough"},
		{&start, "-gqv", "default-command"},
		{&after, "-gqv", "lock-after-time"},
		{&command, "-gqv", "lock-command"},
	} {
		text, err := s.say("show-options", o.flag, o.name)
		if err != nil {
			return err
		}
		*o.to = keep(strings.TrimSuffix(text, "\n"))
	}
	command = programOf(command)
	s.out.Default, s.out.LockAfter, s.out.LockCommand = programOf(start), &after, &command
	text, err := s.say("show-options", "-gqv", "update-environment")
	for line := range strings.Lines(text) {
		if name := strings.TrimSpace(line); name != "" && !slices.Contains(usualUpdates(), name) {
			add(&s.out.Updates, name)
		}
	}
	return err
}

// usualUpdates are the names that tmux's versions come with.
func usualUpdates() []string {
	return []string{"DISPLAY", "KRB5CCNAME", "MSYSTEM", "SSH_ASKPASS", "SSH_AUTH_SOCK", "SSH_AGENT_PID", "SSH_CONNECTION", "WINDOWID", "XAUTHORITY",
		"WAYLAND_DISPLAY", "XDG_SESSION_TYPE"}
}

// askPanes asks for panes that have an option of their own.
func (s *interview) askPanes() error {
	text, err := s.say("list-panes", "-a", "-F", "#{pane_id} #{allow-passthrough}")
	if errors.Is(err, errRefused) {
		return nil // there is no session
	}
	for line := range strings.Lines(text) {
		id, value, _ := strings.Cut(strings.TrimSpace(line), " ")
		if isOn(value) {
			add(&s.out.Through, id)
		}
	}
	return err
}

// isOn reports whether an option is.
func isOn(value string) bool { return value != "" && value != "0" && value != "off" }

// askPrograms looks for hooks that run programs, and for formats that do.
func (s *interview) askPrograms() error {
	for _, words := range [][]string{{"show-hooks", "-g"}, {"show-hooks", "-gw"}, {"show-options", "-g"}, {"show-options", "-gw"}, {"show-options", "-s"}} {
		text, err := s.say(words...)
		if errors.Is(err, errHidden) {
			continue
		}
		if err != nil {
			return err
		}
		kind := "option "
		if words[0] == "show-hooks" {
			kind = "hook "
		}
		for line := range strings.Lines(text) {
			name, value, _ := strings.Cut(strings.TrimSpace(line), " ")
			if hasJob(value) || kind == "hook " && runsProgram(value) {
				add(&s.out.Programs, kind+name)
			}
		}
	}
	return nil
}

// hasJob reports whether a format has a command for a shell in it. Two # are one that is
// shown.
func hasJob(format string) bool {
	return strings.Contains(strings.ReplaceAll(format, "##", ""), "#(")
}

// runsProgram reports whether commands, as tmux writes them, run a program outside of
// panes.
func runsProgram(commands string) bool {
	words := strings.FieldsFunc(commands, func(r rune) bool { return strings.ContainsRune(" \t;{}\"'", r) })
	for i, w := range words {
		switch w {
		case "run-shell":
			if !hasFlag(words[i+1:], "C", "dct") {
				return true
			}
		case "if-shell":
			if !hasFlag(words[i+1:], "F", "t") {
				return true
			}
		case "pipe-pane":
			return true
		}
	}
	return false
}

// hasFlag looks for a flag of a command before its arguments; each of values has a word
// of its own.
func hasFlag(words []string, flag, values string) bool {
	for i := 0; i < len(words) && strings.HasPrefix(words[i], "-"); i++ {
		if strings.Contains(words[i], flag) {
			return true
		}
		if last := words[i][len(words[i])-1:]; strings.Contains(values, last) {
			i++
		}
	}
	return false
}

// askEnvironment keeps names and no values. It asks for the form that a shell takes: in
// that one alone it is certain where a value ends.
func (s *interview) askEnvironment() error {
	text, err := s.say("show-environment", "-gs")
	if err != nil {
		return err
	}
	names, ok := setNames(text)
	if !ok {
		s.unclear("show-environment")
	}
	for _, name := range names {
		if looksSecret(name) {
			add(&s.out.Secrets, name)
		}
	}
	return nil
}

func (s *interview) askKeys() error {
	text, err := s.say("list-keys")
	if err != nil {
		return err
	}
	bound := false
	for line := range strings.Lines(text) {
		bound = bound || slices.Contains(strings.Fields(line), "lock-session")
	}
	s.out.LockKey = &bound
	return nil
}

// add keeps a name for people, once, and of too many the first.
func add(to *[]string, name string) {
	if name = keep(name); len(*to) < maxKept && !slices.Contains(*to, name) {
		*to = append(*to, name)
	}
}

// keep makes what a server says fit to be shown.
func keep(text string) string {
	if len(text) > maxText {
		text = text[:maxText]
	}
	return escape(text)
}

// bounded is a buffer with an end.
type bounded struct{ bytes.Buffer }

func (b *bounded) Write(p []byte) (int, error) {
	if b.Len()+len(p) > maxAnswer {
		return 0, fmt.Errorf("the server prints more than %d bytes", maxAnswer)
	}
	return b.Buffer.Write(p)
}
