package executor

import (
	"bufio"
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"github.com/muxward/muxward/internal/access"
	"github.com/muxward/muxward/internal/attach"
	"github.com/muxward/muxward/internal/gateway"
	"github.com/muxward/muxward/internal/tmux"
	"github.com/muxward/muxward/internal/tmux/control"
	"github.com/muxward/muxward/internal/tmux/wire"
)

// controlSeat is one person who is attached in control mode: their client, a
// control client of ours at tmux that is theirs alone, and the permit that all
// of it hangs on.
//
// Whoever holds every verb has their decided commands sent over that client,
// and reads what it says. For everybody else it only says what happens, through
// an allow-list, and each of their commands is carried out like any other.
type controlSeat struct {
	e      *Executor
	p      *gateway.Permit
	live   *gateway.Live
	server Server
	client gateway.ControlClient
	argv   []string
	name   string // of our client at tmux
	full   bool
	made   *gateway.Made // by attaching to it

	conn *wire.Conn
	in   *os.File // our end of its input
	tail int      // tmux's end, which we hold as well; -1 when closed
	out  *os.File // its output
	from *bufio.Reader

	parting
	ctx   context.Context
	whole *gateway.Right
	stage atomic.Pointer[controlStage]
	marks control.Marks
	maker atomic.Pointer[maker] // of the line under way, if that makes a pane
	lines chan string
	eof   chan struct{} // closed when there are no more lines
	heard chan struct{} // closed when tmux has said why it ends us
	read  chan struct{} // closed when its output is read to the end
	wg    sync.WaitGroup
	// showing is set while what tmux said waits for the client to read.
	showing atomic.Bool
	shown   atomic.Int64 // when it last did not, in Unix nanoseconds
	// waits is set for a guest who asked to be waited for at the end (wait-exit).
	waits  atomic.Bool
	rung   chan struct{} // holds one while something may wait for them that they were not told of
	asides asides
	wishes
	absences

	smu sync.Mutex // sending
	// Under mu of the parting:
	seq     uint64
	pending map[uint64]*carried
	last    *wire.Exit // what the client hears at the end
	silent  bool
	cut     bool // nothing more is sent
	failed  bool // a command of theirs failed
	alarm   *time.Timer
	done    chan struct{}
	result  gateway.Result // set before done is closed
}

// controlStage is the session that the client is at, with the right to see it.
type controlStage struct {
	session tmux.Session
	view    *gateway.Right
}

// attachControl attaches somebody who is in control mode.
func (e *Executor) attachControl(ctx context.Context, p *gateway.Permit, server Server, client gateway.ControlClient) (gateway.Result, error) {
	if p.Request().By != nil {
		return gateway.Result{}, errors.New("you are attached already, and to another server; start another client")
	}
	s := &controlSeat{
		e: e, p: p, live: p.Live(), server: server, client: client, tail: -1,
		marks: control.NewMarks(strings.ToLower(rand.Text())), pending: map[uint64]*carried{},
		rung:  make(chan struct{}, 1),
		lines: make(chan string, maxLines), eof: make(chan struct{}), heard: make(chan struct{}), read: make(chan struct{}), done: make(chan struct{}),
	}
	exit, err := s.open(ctx)
	if err == nil && exit == nil {
		err = s.begin(ctx)
	}
	if err != nil || exit != nil {
		s.abandon()
	}
	switch {
	case err != nil:
		return gateway.Result{}, err
	case exit != nil:
		return gateway.Result{Exit: int(exit.Code), Message: exit.Message, Executed: s.argv, Told: s.full}, nil
	}
	return gateway.Result{Attached: s, Executed: s.argv, Told: true, Current: s.here(), Made: s.made}, nil
}

func (s *controlSeat) abandon() {
	if s.conn != nil {
		_ = s.conn.Close()
	}
	s.e.ears.goes(s.server, s)
	s.closePipes()
	if s.cancel != nil {
		s.cancel(gateway.ErrEnded)
	}
}

func (s *controlSeat) closePipes() {
	if s.in != nil {
		_ = s.in.Close()
	}
	if s.out != nil {
		_ = s.out.Close()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.tail >= 0 {
		_ = unix.Close(s.tail)
		s.tail = -1
	}
}

// open has tmux attach a control client of ours, and gives its exit if it would
// not.
func (s *controlSeat) open(ctx context.Context) (*wire.Exit, error) {
	ctx, cancel := context.WithTimeout(ctx, attachTime)
	defer cancel()
	var err error
	if s.argv, err = words(s.p.Plan()); err != nil {
		return nil, err
	}
	h, err := s.hello()
	if err != nil {
		return nil, err
	}
	defer h.Close()
	came := func(hearer) {}
	if s.full = s.p.Plan().Full; !s.full {
		if came, err = s.e.ears.come(ctx, s.server); err != nil {
			return nil, err
		}
		defer came(nil)
	}
	if s.conn, err = s.server.Dial(ctx); err != nil {
		return nil, fmt.Errorf("reach the tmux server: %w", err)
	}
	if err := s.conn.Identify(ctx, h); err != nil {
		return nil, err
	}
	_ = h.Stdout.Close() // tmux has its own; it alone holds that end
	return s.untilAttached(ctx, came)
}

// maxPID is more than any process has for its id on Linux.
const maxPID = 1 << 22

// hello introduces our client, with pipes of ours for its input and output. Its
// name is that of the person's terminal or process, as it would be without us.
func (s *controlSeat) hello() (*wire.Hello, error) {
	h := hello(s.p, s.argv)
	h.Flags |= wire.FlagControl
	h.Flags |= s.client.Hello().Flags & wire.FlagUTF8
	if _, err := s.client.Terminal(); err != nil {
		h.TTYName = "" // it is not the one they say
	}
	if h.PID == 0 {
		h.PID = int32(s.e.unnamed.Add(1)&(1<<24-1)) + maxPID // by which their client is told from others
	}
	if s.name = h.TTYName; s.name == "" {
		s.name = fmt.Sprintf("client-%d", h.PID)
	}
	var in, out [2]int
	if err := unix.Pipe2(in[:], unix.O_CLOEXEC|unix.O_NONBLOCK); err != nil {
		return nil, fmt.Errorf("a pipe for lines: %w", err)
	}
	s.tail, s.in = in[0], os.NewFile(uintptr(in[1]), "lines to tmux")
	if err := unix.Pipe2(out[:], unix.O_CLOEXEC|unix.O_NONBLOCK); err != nil {
		return nil, fmt.Errorf("a pipe for lines: %w", err)
	}
	s.out = os.NewFile(uintptr(out[0]), "lines from tmux")
	s.from = bufio.NewReaderSize(s.out, maxBatch)
	h.Stdout = wire.NewFD(out[1])
	dup, err := unix.FcntlInt(uintptr(s.tail), unix.F_DUPFD_CLOEXEC, 3)
	if err != nil {
		_ = h.Close()
		return nil, fmt.Errorf("a pipe for lines: %w", err)
	}
	h.Stdin = wire.NewFD(dup)
	return h, nil
}

// untilAttached waits until our client is at a session, which it is told, or
// until tmux says why not. What was said until then is the first that the
// person is shown. It tells at once who came, or that nobody has.
func (s *controlSeat) untilAttached(ctx context.Context, came func(hearer)) (*wire.Exit, error) {
	defer s.out.SetReadDeadline(time.Time{})
	if deadline, ok := ctx.Deadline(); ok {
		_ = s.out.SetReadDeadline(deadline)
	}
	exits := make(chan *wire.Exit, 1)
	watch, stop := context.WithCancel(ctx)
	watched := make(chan error, 1)
	go func() {
		watched <- attach.Guard(func() error {
			for {
				m, err := s.conn.ReadMsg(watch)
				if err != nil {
					return nil //nolint:nilerr // it ended, or we have what we wait for
				}
				switch m := m.(type) {
				case *wire.Flags:
					s.flags(m)
				case *wire.Exit:
					exits <- m
					_ = s.out.SetReadDeadline(time.Now().Add(100 * time.Millisecond)) // all was written before
					return nil
				}
			}
		})
	}()
	defer func() { stop(); <-watched }()
	sorter, first := control.Sorter{}, []byte(nil)
	for {
		line, err := readLine(s.from)
		if err == nil {
			first = append(first, line...)
			kind := sorter.Sort(line[:len(line)-1])
			if kind == control.Notification && strings.HasPrefix(string(line), "%session-changed ") {
				came(s)
				s.from = bufio.NewReaderSize(io.MultiReader(bytes.NewReader(first), s.from), maxBatch)
				return nil, nil
			}
			continue
		}
		came(nil) // who reads nothing of why not holds up nobody
		select {
		case e := <-exits:
			return e, s.refusal(ctx, first)
		default:
		}
		if ctx.Err() != nil {
			return nil, fmt.Errorf("the tmux server has not attached the client for %v", attachTime)
		}
		return nil, errServerGone
	}
}

// refusal passes on why tmux would not attach.
func (s *controlSeat) refusal(ctx context.Context, said []byte) error {
	if s.full {
		return s.client.Show(ctx, said, nil)
	}
	return s.client.Print(ctx, 1, slices.Clip(blockText(said)))
}

// blockText is the text of the blocks of a stream.
func blockText(stream []byte) []byte {
	var text []byte
	var sorter control.Sorter
	for l := range strings.Lines(string(stream)) {
		if sorter.Sort([]byte(strings.TrimSuffix(l, "\n"))) == control.Body {
			text = append(text, tmux.Clean(l)...)
		}
	}
	return text
}

// begin makes the permit last, and starts to pass lines.
func (s *controlSeat) begin(ctx context.Context) error {
	s.ctx, s.cancel = context.WithCancelCause(ctx)
	snap, err := s.server.Snapshot(ctx, tmux.Core)
	if err != nil {
		return fmt.Errorf("ask the tmux server for its state: %w", err)
	}
	at, err := s.at(snap)
	if err != nil {
		return err
	}
	s.whole = s.live.Right(wholeNeed(s.server))
	s.setStage(*at)
	s.made = firstPane(s.p.Plan(), s.server, snap, at)
	s.p.Settle()
	if err := s.live.Keep(s.reconsider, s.describe()); err != nil {
		return err
	}
	if !s.full {
		// Its block comes before all that is told.
		if err := s.client.Reply(ctx, false, false, nil, nil); err != nil {
			s.live.Release()
			return err
		}
	}
	s.run()
	s.arm()
	return nil
}

// at finds the session that our client is at.
func (s *controlSeat) at(snap *tmux.Snapshot) (*tmux.Session, error) {
	if c := snap.Client(s.name); c != nil {
		if at := snap.Session(c.Session); at != nil {
			return at, nil
		}
	}
	return nil, errors.New("the session that you were attached to has ended")
}

func (s *controlSeat) setStage(at tmux.Session) {
	if now := s.stage.Load(); now != nil && now.session.ID == at.ID && now.session.Name == at.Name {
		return
	}
	on := access.Object{
		Kind: access.Session, Owner: s.server.Owner(), Incarnation: s.server.Incarnation(),
		Session: access.SessionRef{ID: uint32(at.ID), Name: at.Name},
	}
	s.stage.Store(&controlStage{at, s.live.Right(gateway.Need{
		Whole: true, Verbs: access.SetOf(access.View), Object: on,
	})})
}

func (s *controlSeat) describe() gateway.Attached {
	who, at := s.live.Who(), s.stage.Load().session
	return gateway.Attached{
		Person: who.Person(), Door: who.Door(), Account: who.Account(), Owner: s.server.Owner(),
		Session: at.ID.String(), Name: at.Name, Mode: "control",
		TTY: s.client.Hello().TTYName, Display: s.name, Since: time.Now(),
	}
}

// here is where the client is, for the rest of the command line.
func (s *controlSeat) here() *tmux.Found {
	if f := s.p.Plan().Found; f.Whole() && f.Session != nil {
		return &f
	}
	return nil
}
