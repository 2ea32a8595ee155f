package sshd

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/muxward/muxward/internal/gateway"
	"github.com/muxward/muxward/internal/tmux"
	"github.com/muxward/muxward/internal/tmux/wire"
)

// maxVariables is how many variables are taken over of a client.
const maxVariables = 16

// session is one channel: what was asked for it, and then what runs on it.
type session struct {
	c    *conn
	ch   ssh.Channel
	gone context.CancelCauseFunc // of the connection
	in   *inbox
	out  *outbox

	env  []string
	term *terminal // nil without a terminal
	// onTerminal is set with term, for who else asks.
	onTerminal atomic.Bool
	kind       string  // TERM
	client     *client // once it has begun
	wg         sync.WaitGroup
}

func newSession(c *conn, ch ssh.Channel, gone context.CancelCauseFunc) *session {
	return &session{c: c, ch: ch, gone: gone, in: newInbox(), out: newOutbox(ch, ch.Stderr())}
}

// serve answers the requests of a channel until it is closed, and runs what they
// ask for.
func (x *session) serve(ctx context.Context, requests <-chan *ssh.Request) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	defer x.minds(cancel)()
	stop := make(chan struct{})
	x.wg.Go(func() {
		defer x.c.s.caught(x.c.who.Person()+"'s input", x.gone)
		x.in.fill(x.ch, stop)
	})
	x.wg.Go(func() {
		defer x.c.s.caught(x.c.who.Person()+"'s output", x.gone)
		x.out.run()
	})
	x.wg.Go(func() { discard(x.ch.Stderr()) }) // nothing is sent there that means anything, and it would be held
	ran := make(chan struct{})
	begun := false
	begin := func(work func(context.Context) (gateway.Result, error)) {
		begun = true
		x.client = newClient(x)
		x.wg.Go(func() {
			defer close(ran)
			defer x.c.s.caught(x.c.who.Person()+"'s command", x.gone)
			x.run(ctx, work)
		})
	}
	for open := true; open; {
		select {
		case r, more := <-requests:
			if open = more; !more {
				break
			}
			ok := x.request(ctx, r, begun, begin)
			if r.WantReply {
				_ = r.Reply(ok, nil) // who has gone hears nothing
			}
		case <-ran:
			open = false
		case <-ctx.Done():
			open = false
		}
	}
	x.c.wg.Go(func() { drain(requests) })
	if !begun {
		close(ran)
	}
	select {
	case <-ran: // it ended by itself
	default:
		cancel(errors.New("the client has gone"))
	}
	<-ran
	x.in.end()
	x.out.close()
	close(stop)
	_ = x.ch.Close()
}

// minds ends the session of somebody who is on a terminal and has typed nothing for too
// long. stop ends that.
func (x *session) minds(end context.CancelCauseFunc) (stop func()) {
	idle := x.c.s.Idle
	if idle <= 0 {
		return func() {}
	}
	over := make(chan struct{})
	x.c.wg.Go(func() {
		for left := idle; ; {
			timer := time.NewTimer(left)
			select {
			case <-timer.C:
			case <-over:
				timer.Stop()
				return
			}
			if left = idle - x.in.since(); left > 0 {
				continue
			}
			if x.onTerminal.Load() {
				end(fmt.Errorf("nothing was typed here for %s", idle))
				return
			}
			left = idle // a command, or control mode: it is for a program
		}
	})
	return func() { close(over) }
}

// drain keeps requests that come at the end from holding up the connection.
func drain(requests <-chan *ssh.Request) {
	for r := range requests {
		if r.WantReply {
			_ = r.Reply(false, nil) // who has gone hears nothing
		}
	}
}

// farewell waits until the client has closed the channel, too: until then it may
// send, and the channel counts. The library has then closed requests.
func (x *session) farewell(requests <-chan *ssh.Request) {
	late := time.AfterFunc(x.c.s.times().close, func() {
		x.gone(errors.New("the client does not close what is closed here"))
		x.c.nc.abort()
	})
	defer late.Stop()
	drain(requests)
	x.wg.Wait()
}

// request answers one request.
func (x *session) request(ctx context.Context, r *ssh.Request, begun bool, begin func(func(context.Context) (gateway.Result, error))) bool {
	switch r.Type {
	case "env":
		return !begun && x.variable(r.Payload)
	case "pty-req":
		return !begun && x.pty(r.Payload)
	case "window-change":
		return x.resized(r.Payload)
	case "shell":
		if begun {
			return false
		}
		begin(x.shell)
		return true
	case "exec":
		var m struct{ Line string }
		if begun || ssh.Unmarshal(r.Payload, &m) != nil {
			return false
		}
		begin(func(ctx context.Context) (gateway.Result, error) { return x.exec(ctx, m.Line) })
		return true
	case "signal", "break", "eow@openssh.com", "xon-xoff", "exit-status", "exit-signal":
		return false // nothing here takes signals
	case agentRequest:
		return !begun && x.agent(ctx)
	case "subsystem":
		if begun {
			return false
		}
		ran := x.subsystem(ctx, r.Payload)
		if ran != nil {
			begin(ran)
		}
		return ran != nil
	}
	_ = x.c.refuse(ctx, r.Type, x.gone)
	return false
}

func (x *session) variable(payload []byte) bool {
	var m struct{ Name, Value string }
	if ssh.Unmarshal(payload, &m) != nil || !mayPass(m.Name, m.Value) || len(x.env) >= maxVariables {
		return false
	}
	x.env = append(x.env, m.Name+"="+m.Value)
	return true
}

// ptyRequest is RFC 4254, 6.2.
type ptyRequest struct {
	Term                      string
	Cols, Rows, Width, Height uint32
	Modes                     string
}

func (x *session) pty(payload []byte) bool {
	var m ptyRequest
	if x.term != nil || ssh.Unmarshal(payload, &m) != nil || !sound(m.Term) || !x.c.proof.Load().MayHaveTerminal() {
		return false
	}
	x.kind = m.Term
	x.term = newTerminal(x.in, x.out, eraseOf(m.Modes), x.passed, x.c.nc.abort, x.forget)
	x.term.resize(m.Cols, m.Rows, m.Width, m.Height)
	x.onTerminal.Store(true)
	return true
}

// forget throws away what was typed until now. The library and the network hold
// some of it, which has come when the client answers to something that is asked
// behind it.
func (x *session) forget() {
	x.in.begin()
	go func() { // it ends with the connection, if not before
		if _, _, err := x.c.ssh.SendRequest(keepalive, true, nil); err == nil {
			x.in.answered()
		}
	}()
}

// eraseOf finds the character that the erase key sends, among encoded terminal
// modes (RFC 4254, 8).
func eraseOf(modes string) byte {
	const verase, end, args = 3, 0, 160
	for i := 0; i+5 <= len(modes) && modes[i] != end && modes[i] < args; i += 5 {
		if v := binary.BigEndian.Uint32([]byte(modes[i+1 : i+5])); modes[i] == verase && v > 0 && v < 0x80 {
			return byte(v)
		}
	}
	return 0x7f
}

func (x *session) resized(payload []byte) bool {
	var m struct{ Cols, Rows, Width, Height uint32 }
	if x.term == nil || ssh.Unmarshal(payload, &m) != nil {
		return false
	}
	x.term.resize(m.Cols, m.Rows, m.Width, m.Height)
	wake(x.in.ready) // the list of sessions is drawn anew
	if x.client != nil {
		x.client.event(&wire.Resize{})
	}
	return true
}

// run does what was asked for, and tells how it ended.
func (x *session) run(ctx context.Context, work func(context.Context) (gateway.Result, error)) {
	result, err := work(ctx)
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), lingerTime)
	defer cancel()
	if err != nil && result.Exit == 0 {
		result.Exit = 1
	}
	for _, text := range x.lastWords(result, err) {
		_ = x.print(ctx, text.data, text.errs) // the flush below tells
	}
	if err := x.out.flush(ctx); err != nil {
		if errors.Is(err, errNotRead) {
			x.gone(err)
			x.c.nc.abort()
		}
		return
	}
	_, _ = x.ch.SendRequest("exit-status", false, ssh.Marshal(struct{ Code uint32 }{uint32(result.Exit) & 0xff}))
}

// lastWords is what a tmux client prints as it exits.
func (x *session) lastWords(r gateway.Result, err error) []part {
	attached, bye := false, ""
	if x.client != nil {
		attached, bye = x.client.end()
	}
	var out []part
	if err != nil && !errors.Is(err, gateway.ErrEnded) {
		out = append(out, part{true, []byte(x.readable(strings.TrimRight(err.Error(), "\n")) + "\n")})
	}
	message := r.Message
	switch {
	case r.Told && bye != "":
		message = bye
	case r.Silent:
		message = "server exited unexpectedly"
	case attached && message == "" && err == nil && r.Exit == 0:
		message = "exited"
	}
	switch {
	case message == "":
	case attached:
		out = append(out, part{false, []byte("[" + x.readable(message) + "]\n")})
	default:
		out = append(out, part{true, []byte(x.readable(message) + "\n")})
	}
	return out
}

// print writes to a standard stream; on a terminal both are one, and lines end
// there as a terminal's do.
func (x *session) print(ctx context.Context, data []byte, errs bool) error {
	if x.term != nil {
		data, errs = []byte(strings.ReplaceAll(string(data), "\n", "\r\n")), false
	}
	return x.out.put(ctx, data, errs)
}

// show prints what rests on a right, in the permit of that right. When it has
// returned, what it printed is on its way, or nobody will see it: so a right that
// is taken back meanwhile waits for this.
func (x *session) show(ctx context.Context, data []byte, errs bool) error {
	err := x.shown(ctx, data, errs)
	if err != nil {
		x.muted(ctx)
	}
	return err
}

// muted throws away what was printed and is not on its way yet.
func (x *session) muted(ctx context.Context) {
	x.out.drop()
	short, cancel := context.WithTimeout(context.WithoutCancel(ctx), stuckTime)
	defer cancel()
	if left := x.passed(short); errors.Is(left, errNotRead) {
		x.gone(left)
		x.c.nc.abort()
	}
}

// shown prints something, and waits until that is on its way. If it is not, something
// of it may still come to be.
func (x *session) shown(ctx context.Context, data []byte, errs bool) error {
	ctx, cancel := context.WithTimeoutCause(ctx, printTime, errNotRead)
	defer cancel()
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	err := x.print(ctx, data, errs)
	if err == nil && waits() {
		err = x.passed(ctx)
	}
	if err != nil {
		return causeOf(ctx, err)
	}
	return nil
}

// passed waits until all that was printed is on its way. Of a channel that has
// gone, too, something may wait.
func (x *session) passed(ctx context.Context) error {
	err := x.out.flush(ctx)
	if err != nil && !errors.Is(err, errChannelGone) {
		return err
	}
	if err := x.c.onItsWay(ctx); errors.Is(err, errNotRead) {
		return err
	}
	return err
}

// readable is text as a terminal can take it.
func (x *session) readable(text string) string {
	if !cleans() {
		return text
	}
	text = tmux.Clean(text)
	if x.utf8() {
		return text
	}
	lines := strings.Split(text, "\n")
	for i := range lines {
		lines[i] = tmux.Sanitize(lines[i])
	}
	return strings.Join(lines, "\n")
}

// utf8 reports whether the client understands UTF-8: unless it says otherwise, as
// terminals of today do.
func (x *session) utf8() bool {
	values := map[string]string{}
	for _, kv := range x.env {
		k, v, _ := strings.Cut(kv, "=")
		values[k] = v
	}
	for _, k := range []string{"LC_ALL", "LC_CTYPE", "LANG"} {
		if v := strings.ToLower(values[k]); v != "" {
			return strings.Contains(v, "utf-8") || strings.Contains(v, "utf8")
		}
	}
	return true
}

// base is what all requests of the session have in common.
func (x *session) base() gateway.Request {
	return gateway.Request{Identity: x.c.who, Door: "this host", Client: x.client}
}

// exec runs a command line.
func (x *session) exec(ctx context.Context, line string) (gateway.Result, error) {
	asked, err := readCommand(line)
	code, coming := joins(asked.argv)
	switch {
	case err != nil:
	case coming && asked.mode == "" && x.c.s.Join != nil:
		return x.join(ctx, code)
	case coming, joinsLater(asked.argv):
		line, err = joinWord, errJoinAlone // however it was quoted
	case asked.mode == "-CC" && x.term == nil:
		err = errors.New("tmux -CC needs a terminal; ask for one with: ssh -t")
	}
	switch {
	case err != nil:
		return gateway.Result{}, x.c.s.Gateway.Refuse(ctx, x.base(), []string{hushed(line)}, err)
	case asked.mode != "":
		return x.control(ctx, asked)
	}
	return x.command(ctx, asked.argv)
}

// command is a tmux command line, as at the tmux door: each command is decided
// before the first one runs, and again when its turn comes.
func (x *session) command(ctx context.Context, argv []string) (gateway.Result, error) {
	reqs, err := x.c.s.Gateway.Parse(ctx, x.base(), argv)
	if err != nil {
		return gateway.Result{}, err
	}
	if err := x.c.s.Gateway.PreviewAll(ctx, reqs); err != nil {
		return gateway.Result{}, err
	}
	return x.c.s.Gateway.HandleAll(ctx, reqs)
}

// shell is what somebody gets who asks for no command: the session that the user
// name names, if they may see one of that name, else a list to choose from.
func (x *session) shell(ctx context.Context) (gateway.Result, error) {
	target := x.c.target
	l := x.newLobby()
	l.open(ctx)
	defer func() { l.shut(ctx) }()
	all, err := x.list(ctx, func(all places) string {
		switch {
		case x.term == nil:
			return all.plain()
		case all.named(target) != nil:
			return ""
		}
		return l.take(all)
	})
	if err != nil || x.term == nil {
		return gateway.Result{}, err
	}
	if p := all.named(target); p != nil {
		l.shut(ctx)
		return x.command(ctx, []string{"attach-session", "-t", p.target})
	}
	return l.enter(ctx)
}

// tidy makes a foreign word fit for a message.
func tidy(s string) string {
	if len(s) > 64 {
		s = s[:64] + "..."
	}
	return fmt.Sprintf("%q", tmux.Clean(s))
}

// discard reads until the end. It holds no more memory for that than it has to: there is
// one for each channel, and it mostly waits.
func discard(r io.Reader) {
	p := make([]byte, 256)
	for {
		if _, err := r.Read(p); err != nil {
			return
		}
	}
}
