package executor

import (
	"context"
	"path"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/muxward/muxward/internal/attach"
	"github.com/muxward/muxward/internal/failpoint"
	"github.com/muxward/muxward/internal/gateway"
	"github.com/muxward/muxward/internal/tmux"
	"github.com/muxward/muxward/internal/tmux/wire"
)

// openWrite lets the server write to the standard streams, and to the one file
// that this command named, which the person's own client writes with the
// person's own rights.
func (r *relay) openWrite(ctx context.Context, m *wire.WriteOpen) error {
	if m.FD == 1 || m.FD == 2 {
		if r.prints != nil {
			r.prints()
		}
		err := r.server.WriteMsg(ctx, &wire.WriteReady{Stream: m.Stream})
		r.streams[m.Stream] = stream{fd: int(m.FD), ready: err == nil}
		return err
	}
	inv := r.plan.Invocation
	name, ok := m.Path, false
	if inv.Row.Name == "save-buffer" && !r.opened && m.FD == -1 {
		name, ok = r.ours(inv.Args[0], m.Path)
	}
	if !r.asked(ok) || r.onlyStreams {
		return r.server.WriteMsg(ctx, &wire.WriteReady{Stream: m.Stream, Error: int32(unix.EPERM)})
	}
	r.waiting, r.opened = true, true
	flags := int32(unix.O_TRUNC)
	if inv.Has('a') {
		flags = unix.O_APPEND
	}
	id := r.open(ctx, m.Stream)
	return r.client.Send(ctx, &wire.WriteOpen{Stream: id, FD: -1, Flags: flags, Path: name})
}

// openRead lets the server have the files that this command named, read by the
// person's own client with the person's own rights.
func (r *relay) openRead(ctx context.Context, m *wire.ReadOpen) error {
	name, ok := r.named(m)
	if !r.asked(ok) || m.FD != 0 && r.onlyStreams {
		return r.server.WriteMsg(ctx, &wire.ReadDone{Stream: m.Stream, Error: int32(unix.EPERM)})
	}
	if _, lines := r.client.(gateway.ControlClient); lines && m.FD == 0 {
		// What comes there are lines, and the client does not read it.
		return r.server.WriteMsg(ctx, &wire.ReadDone{Stream: m.Stream, Error: int32(unix.EBADF)})
	}
	r.waiting, r.opened = true, true
	id := r.open(ctx, m.Stream)
	return r.client.Send(ctx, &wire.ReadOpen{Stream: id, FD: m.FD, Path: name})
}

// open gives a number at the client for a stream of the server, and has the
// client's answers about it passed on.
func (r *relay) open(ctx context.Context, stream32 int32) int32 {
	id := r.client.Stream()
	r.streams[stream32] = stream{client: id}
	r.mu.Lock()
	r.files[id] = stream32
	r.mu.Unlock()
	if r.answered != nil {
		return id
	}
	r.answered = make(chan struct{})
	go func() {
		defer close(r.answered)
		if err := attach.Guard(func() error { r.answers(ctx); return nil }); err != nil {
			r.fault.Store(&err)
			_ = r.server.Close() // which ends the command
		}
	}()
	return id
}

// answers passes what the client reads, or says of what it writes, on to the
// server.
func (r *relay) answers(ctx context.Context) {
	failpoint.At("relay-answers")
	for {
		select {
		case m, open := <-r.client.Files():
			if !open {
				_ = r.server.Close()
				return
			}
			if r.answer(ctx, m) != nil {
				return
			}
		case <-ctx.Done():
			return
		}
	}
}

func (r *relay) answer(ctx context.Context, m wire.Message) error {
	switch m := m.(type) {
	case *wire.Read:
		if to, ok := r.stream(m.Stream, false); ok {
			return r.server.ReadStream(ctx, to, m.Data)
		}
	case *wire.ReadDone:
		if to, ok := r.stream(m.Stream, true); ok {
			return r.server.WriteMsg(ctx, &wire.ReadDone{Stream: to, Error: m.Error})
		}
	case *wire.WriteReady:
		if to, ok := r.stream(m.Stream, true); ok {
			return r.server.WriteMsg(ctx, &wire.WriteReady{Stream: to, Error: m.Error})
		}
	}
	return nil
}

// stream gives the server's number of one of the client's streams. The last
// answer about one is passed on once.
func (r *relay) stream(id int32, last bool) (int32, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	to, ok := r.files[id]
	if last {
		delete(r.files, id)
	}
	return to, ok
}

// named reports whether the command itself named the file, and how the client
// is to call it.
func (r *relay) named(m *wire.ReadOpen) (string, bool) {
	inv := r.plan.Invocation
	several := inv.Row.Args == tmux.Glob || inv.Row.Args == tmux.NestedCommands
	if r.opened && !several {
		return m.Path, false // it has been read
	}
	switch name := inv.Row.Name; {
	case name == "split-window" || name == "display-message" || name == "new-pane":
		return m.Path, inv.Has('I') && m.FD == 0
	case name != "load-buffer" && !several:
		return m.Path, false
	case several && r.plan.Home && m.FD == -1:
		// What is read names more files in turn, and so do the commands that
		// this one runs. At home the server may read whatever its owner may: it
		// is theirs.
		return m.Path, true
	}
	for _, given := range inv.Args {
		if given == "-" && m.FD == 0 {
			return m.Path, true
		}
		if name, ok := r.ours(given, m.Path); ok && m.FD == -1 && inv.Row.Args != tmux.NestedCommands {
			return name, true
		}
	}
	return m.Path, false
}

// ours reports whether a path is what the person wrote, as the server makes it
// one, and gives it as the person's client has to open it: the server was told
// the client's directory only at home.
func (r *relay) ours(given, asked string) (string, bool) {
	inv := r.plan.Invocation
	if r.plan.Home && strings.Contains(given, "#") {
		return asked, true // the owner's own format, evaluated by the owner's tmux
	}
	if inv.Row.Args.Expanded() {
		given = strings.ReplaceAll(given, "##", "#")
	}
	fits := func(pattern, name string) bool {
		return pattern == name || inv.Row.Args == tmux.Glob && matches(pattern, name)
	}
	if path.IsAbs(given) {
		return asked, fits(given, asked)
	}
	own := r.client.Hello().Cwd
	base := "/"
	if r.plan.Home {
		base = own
	}
	rest, ok := strings.CutPrefix(asked, base+"/")
	return own + "/" + rest, ok && fits(given, rest)
}

// matches reports whether a path is one that a shell's pattern may stand for.
func matches(pattern, name string) bool {
	ok, err := path.Match(strings.ReplaceAll(pattern, "[!", "[^"), name)
	return err == nil && ok
}
