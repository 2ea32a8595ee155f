package attack

import (
	"context"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/muxward/muxward/internal/tmux/tmuxtest"
)

// round has everybody act until the time is over, and judges what came of it.
func (p *play) round(lasts time.Duration) {
	p.t.Helper()
	var all sync.WaitGroup
	p.t.Cleanup(func() { p.stop(); all.Wait() }) // also when something has failed
	n := uint64(10)
	act := func(do func(*rand.Rand)) {
		n++
		r := p.rand(n)
		all.Go(func() {
			for !p.over() {
				do(r)
				p.rests(r, 300*time.Millisecond)
			}
		})
	}
	for _, letter := range []string{"B", "C", "M", "W"} {
		g := p.guests[letter]
		act(func(r *rand.Rand) { p.sits(g, r) })
		act(func(r *rand.Rand) { p.says(g, r) })
		act(func(r *rand.Rand) { p.runs(g, r) })
	}
	act(p.owns)
	all.Go(p.watches)
	p.rights(p.rand(1), time.Now().Add(lasts))
	p.stop()
	all.Wait()
	p.judge()
}

// watches ends the round when the owner's server has ended, as nothing is to be found behind that.
func (p *play) watches() {
	for !p.over() {
		if !p.sameServer() {
			p.notes("watched", "the owner's tmux server has gone")
			p.stop()
		}
		within(20*time.Millisecond, p.over)
	}
}

// place is where somebody attaches, and how.
func (p *play) place(r *rand.Rand, g *guest) []string {
	on := map[string][]string{
		"B": {"mwalice/shared", "mwalice/shared", "mwalice/room", "mwalice/churn"},
		"C": {"mwalice/shared", "mwalice/shared:0"},
		"M": {"mwalice/room", "mwalice/room:0", "mwalice/room:0.1"},
		"W": {"mwalice/" + g.pane, "mwalice/" + g.pane, "mwalice/shared"},
	}[g.letter]
	args := []string{"attach", "-t", any1(r, on...)}
	if p.control {
		return args
	}
	switch r.IntN(5) {
	case 0, 1:
		return append(args, "-f", "independent")
	case 2:
		return append(args, "-r")
	}
	return args
}

// sits has somebody come to a terminal, do this and that there, and leave.
func (p *play) sits(g *guest, r *rand.Rand) {
	g.acts.RLock()
	defer g.acts.RUnlock()
	size := randomSize(r)
	c := tmuxtest.TerminalConfig{Cols: size[0], Rows: size[1], Blind: true,
		Term: any1(r, "xterm-256color", "xterm-256color", "screen-256color", "tmux-256color", "linux", "xterm")}
	args := p.place(r, g)
	p.notes("attach", "%s %q %v %s", g.who, args, size, c.Term)
	x := p.Terminal(g.who, c, args...)
	defer x.Close()
	if g.who == confined {
		p.mu.Lock()
		p.shows = append(p.shows, x)
		p.mu.Unlock()
	}
	stopped := false
	for steps := 5 + r.IntN(120); steps > 0 && !g.leaves() && !p.over() && !x.Exited() && x.Len() < 40<<20; steps-- {
		switch n := r.IntN(40); {
		case n < 32:
			keys := p.keys(r, g.letter)
			if p.control {
				keys = p.mark(g.letter) + ";"
			}
			p.notes("keys", "%s %.80q", g.who, keys)
			x.Press(keys)
		case n < 37:
			size := randomSize(r)
			p.notes("resize", "%s %v", g.who, size)
			x.Resize(size[0], size[1])
		case n < 38 && !stopped:
			p.notes("stop", "%s", g.who)
			stopped = syscall.Kill(x.PID(), syscall.SIGSTOP) == nil
		default: // who has stopped by a key, too
			p.notes("go on", "%s", g.who)
			stopped = syscall.Kill(x.PID(), syscall.SIGCONT) != nil && stopped
		}
		p.rests(r, 50*time.Millisecond)
	}
	p.goes(g, x, r)
}

// goes has somebody leave a terminal: by a key, by a signal, by hanging up, or from one moment to the next.
func (p *play) goes(g *guest, x *tmuxtest.Terminal, r *rand.Rand) {
	how := r.IntN(5)
	p.notes("leave", "%s by %d", g.who, how)
	if x.Exited() {
		return
	}
	switch how {
	case 0:
		x.Press("\x02d")
	case 1:
		_ = syscall.Kill(x.PID(), syscall.SIGTERM) // it may have gone
	case 2:
		_ = syscall.Kill(x.PID(), syscall.SIGHUP)
	case 3:
		x.HangUp()
	default:
		return
	}
	within(300*time.Millisecond, x.Exited)
}

// says has somebody come in control mode, and say lines.
func (p *play) says(g *guest, r *rand.Rand) {
	g.acts.RLock()
	defer g.acts.RUnlock()
	args := p.place(r, g)
	p.notes("attach in control mode", "%s %q", g.who, args)
	l := p.Control(g.who, args...)
	if g.who == confined {
		p.mu.Lock()
		p.hears = append(p.hears, l)
		p.mu.Unlock()
	}
	for steps := 5 + r.IntN(60); steps > 0 && !g.leaves() && !p.over() && !l.Ended(); steps-- {
		line := p.command(r, g)
		if r.IntN(8) == 0 {
			line = randomLine(r)
		}
		p.notes("line", "%s %.100s", g.who, line)
		done := make(chan struct{})
		go func() { l.Say(line); close(done) }() // ends with the client, which is killed at the latest
		select {
		case <-done:
		case <-time.After(time.Second): // it reads nothing, as while its command takes its time
			steps = 0
		}
		p.rests(r, 80*time.Millisecond)
	}
	l.Close()
	if !within(tmuxtest.Patience, l.Ended) {
		p.finds("calm", "a control client of %s, whose input has ended, does not end; it said last %q", g.who, tail(l.Said(), 5))
	}
}

func tail(list []string, n int) []string { return list[max(0, len(list)-n):] }

// runs has somebody run a command.
func (p *play) runs(g *guest, r *rand.Rand) {
	g.acts.RLock()
	line := p.command(r, g)
	args := randomWords(line)
	for i := range args {
		if i > 0 && slices.Contains([]string{"-t", "-s"}, args[i-1]) && !strings.ContainsAny(args[i], "{/") {
			args[i] = "mwalice/" + args[i]
		}
	}
	p.notes("command", "%s %.100q", g.who, args)
	if !p.runsAs(g.who, args) {
		p.unsure(line)
	}
	g.acts.RUnlock()
}

// owns has the owner run one of her commands.
func (p *play) owns(r *rand.Rand) {
	line := p.ownCommand(r)
	p.notes("own command", "%.100s", line)
	p.runsAs(owner, randomWords(line))
}

// runsAs runs a tmux command line, and gives up what takes longer than two seconds: it may wait for somebody's answer.
func (p *play) runsAs(who string, args []string) (ended bool) {
	cmd := tmuxtest.As(p.t, who).Command("tmux", args...)
	cmd.Env, cmd.WaitDelay = p.Env(who), time.Second
	if err := cmd.Start(); err != nil {
		p.t.Errorf("tmux %q: %v", args, err)
		return false
	}
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	defer context.AfterFunc(ctx, func() { _ = cmd.Process.Kill() })()
	_ = cmd.Wait() // what it was told is muxward's affair
	return ctx.Err() == nil
}

// unsure forgets the marks in a command that was given up: it may be done later.
func (p *play) unsure(line string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.spell != nil {
		p.spell.marks = slices.DeleteFunc(p.spell.marks, func(m string) bool { return strings.Contains(line, m) })
	}
}
