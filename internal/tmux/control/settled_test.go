package control

import (
	"context"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/muxward/muxward/internal/tmux"
	"github.com/muxward/muxward/internal/tmux/tmuxtest"
)

// number gives the number that the next entry will have.
func (c *Client) number() uint64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.queue.next
}

// answeredAll reports whether nothing is on its way.
func (c *Client) answeredAll() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.queue.len() == 0
}

// Who waits until all is settled asks a server nothing that has only been asked questions since
// something was settled, and one thing where something was done last: an answer alone does not tell
// that what was typed has come to the terminal. A server that stands still is at rest if it was.
func TestSettled(t *testing.T) {
	s := tmuxtest.Start(t, tmuxtest.Config{})
	c := open(t, s, Options{})
	settles := func(sends uint64, when string) {
		t.Helper()
		before := c.number()
		if err := c.Settled(ctxOf(t)); err != nil {
			t.Errorf("%s: %v", when, err)
		}
		if got := c.number() - before; got != sends {
			t.Errorf("%s: %d lines are sent for it, want %d", when, got, sends)
		}
	}
	asks := func(line string) {
		t.Helper()
		if _, err := c.Ask(ctxOf(t), line); err != nil {
			t.Fatal(err)
		}
	}
	quiet := func() { // probeSessions may ask something itself
		t.Helper()
		tmuxtest.Eventually(t, c.answeredAll, "nothing is on its way")
	}
	quiet()
	if err := c.Settled(ctxOf(t)); err != nil {
		t.Fatal(err)
	}
	settles(0, "once it is settled")
	asks("display-message -p x")
	settles(0, "when only a question was asked")
	if _, err := c.Do(ctxOf(t), "set-option -g @x 1"); err != nil {
		t.Fatal(err)
	}
	quiet()
	settles(1, "when something was done, and nothing asked behind its answer")
	if _, err := c.Do(ctxOf(t), "set-option -g @x 2"); err != nil {
		t.Fatal(err)
	}
	quiet()
	asks("display-message -p y")
	quiet()
	settles(0, "when a question was asked behind its answer")

	asks("wait-for -U nobody")
	quiet()
	settles(1, "when what acts was sent as a question")
	asks("display-message -p x ; set-option -g @x 4")
	quiet()
	settles(1, "when it is behind one")
	m := NewModel(c)
	if _, err := m.Refresh(ctxOf(t), tmux.Core); err != nil {
		t.Fatal(err)
	}
	quiet()
	settles(0, "when the server's state was asked for")
	if err := c.Drain(ctxOf(t)); err != nil { // as who typed through a terminal waits for that
		t.Fatal(err)
	}
	quiet()
	settles(1, "when something that was sent another way was waited for")
	settles(0, "once that is settled")
	quiet()
	c.Acted()
	settles(1, "when something was done that was sent another way")
	settles(0, "once that is settled, too")
	if _, err := c.DoOf(ctxOf(t), "bob", "set-option -g @x 5"); err != nil {
		t.Fatal(err)
	}
	if owing := c.Owing(); !slices.Equal(owing, []any{"bob"}) {
		t.Errorf("bob's line is answered, and %v owe", owing)
	}
	if err := c.SettledOf(ctxOf(t), "bob"); err != nil || len(c.Owing()) > 0 {
		t.Errorf("it is settled, %v, and %v owe", err, c.Owing())
	}

	s.Signal(syscall.SIGSTOP)
	defer s.Signal(syscall.SIGCONT)
	settles(0, "when the server stands still, at rest")
	if _, err := c.Send("set-option -g @x 3", "display-message -p z"); err != nil {
		t.Fatal(err)
	}
	short, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	if err := c.Settled(short); err == nil {
		t.Error("something lies before a server that stands still, and it is said to be settled")
	}
	told := make(chan error, 1)
	go func() { told <- c.Settled(ctxOf(t)) }()
	s.Signal(syscall.SIGCONT)
	if err := <-told; err != nil {
		t.Errorf("when it goes on: %v", err)
	}
	settles(0, "behind that")
}

// What was sent together is not settled by the answer to its last line: that was sent before the
// first one's answer.
func TestSettledIsNotTheLastAnswer(t *testing.T) {
	c := &Client{}
	send := func(p *Pending) {
		c.queue.push(entry{p: p, behind: c.queue.first()})
		if !p.asks {
			c.acts.sent(p.of, c.queue.next)
		}
	}
	answer := func() { c.acts.answered(c.queue.pop().behind) }
	send(&Pending{})
	send(&Pending{asks: true})
	if e := c.telling(c.acts.last); e != c.queue.at(0) {
		t.Errorf("what is waited for first is %v", e)
	}
	answer()
	if e := c.telling(c.acts.last); e != nil {
		t.Errorf("the question that was sent before the answer is taken to tell: %v", e)
	}
	send(&Pending{asks: true})
	if e := c.telling(c.acts.last); e != c.queue.at(1) {
		t.Errorf("the one behind it is not: %v", e)
	}
	answer()
	if c.acts.settled >= c.acts.last {
		t.Error("settled by a question that was sent before the answer")
	}
	answer()
	if c.acts.settled < c.acts.last {
		t.Error("not settled by one that was sent behind it")
	}
}

// Of what is somebody's no more is remembered than is not settled.
func TestActsAreForgotten(t *testing.T) {
	c := &Client{}
	a, b := new(int), new(int)
	for i := range 1000 {
		of := a
		if i%3 == 0 {
			of = b
		}
		c.queue.push(entry{p: &Pending{of: of}, behind: c.queue.first()})
		c.acts.sent(of, c.queue.next)
		if i >= 2 { // two are on their way at any time
			c.acts.answered(c.queue.pop().behind)
		}
		if n := len(c.acts.open); n > 12 {
			t.Fatalf("%d are remembered", n)
		}
	}
	for c.queue.len() > 0 {
		c.acts.answered(c.queue.pop().behind)
	}
	c.queue.push(entry{p: &Pending{}, behind: c.queue.first()})
	c.acts.answered(c.queue.pop().behind)
	if len(c.acts.open) != 0 || len(c.acts.of) != 0 || c.Owes(a) || c.Owes(b) {
		t.Errorf("all is settled, and %d are remembered, of %d", len(c.acts.open), len(c.acts.of))
	}
}

// However many lines are on their way, an answer moves none of the others, but now and then.
func TestActsAreLeftInPlace(t *testing.T) {
	c, n, moved := &Client{}, 1<<12, 0
	for range n {
		c.queue.push(entry{p: &Pending{}, behind: c.queue.first()})
		c.acts.sent(c, c.queue.next)
	}
	for range 2 * n { // as many are sent as are answered
		c.acts.answered(c.queue.pop().behind)
		c.queue.push(entry{p: &Pending{}, behind: c.queue.first()})
		was := len(c.acts.open)
		if c.acts.sent(c, c.queue.next); len(c.acts.open) != was+1 {
			t.Fatal("what is sent is not noted")
		}
	}
	for range 2 * n {
		was := len(c.acts.open)
		c.acts.answered(c.queue.pop().behind)
		c.queue.push(entry{p: &Pending{}, behind: c.queue.first()})
		if len(c.acts.open) != was {
			moved++
		}
	}
	if len(c.acts.open) != 0 || c.Owes(c) {
		t.Errorf("all is settled, and %d are remembered", len(c.acts.open))
	}
	if moved > 16 {
		t.Errorf("what was left was moved by %d of %d answers", moved, 2*n)
	}
}

// What somebody has sent who goes is another's from then on, until it is settled; what others have sent stays theirs.
func TestActsAreHandedOver(t *testing.T) {
	c := &Client{}
	send := func(of any) {
		c.queue.push(entry{p: &Pending{}, behind: c.queue.first()})
		c.acts.sent(of, c.queue.next)
	}
	answer := func() { c.acts.answered(c.queue.pop().behind) }
	for _, of := range []any{"bob", 1, 2, 1} {
		send(of)
	}
	c.Hand(1, "bob")
	c.Hand(3, "bob") // who has sent nothing
	if c.Owes(1) || c.acts.of["bob"] != 4 || c.acts.of[2] != 3 {
		t.Errorf("what they owe: %v", c.acts.of)
	}
	for range 4 {
		answer()
	}
	if !c.Owes("bob") {
		t.Error("all is answered, and nothing was asked behind it")
	}
	c.queue.push(entry{p: &Pending{}, behind: c.queue.first()})
	answer()
	if len(c.acts.of) > 0 || len(c.acts.open) > 0 {
		t.Errorf("all is settled, and they owe %v", c.acts.of)
	}
	send(1)
	c.Hand(1, "carol") // of whom there was nothing
	if c.Owes(1) || !c.Owes("carol") {
		t.Errorf("what they owe: %v", c.acts.of)
	}
}

// Of what was done another way a client says when it may be too late to note it: its successor
// knows only of what it knew before.
func TestActsOfAClientThatEnds(t *testing.T) {
	c := &Client{}
	c.queue.push(entry{})
	if !c.ActedOf("bob") || !slices.Equal(c.Owing(), []any{"bob"}) {
		t.Errorf("bob has done something, and %v owe", c.Owing())
	}
	c.cause = ErrCut
	if c.ActedOf("carol") || len(c.Owing()) != 2 {
		t.Errorf("it has ended, and says that it goes on, or %v owe", c.Owing())
	}
}
