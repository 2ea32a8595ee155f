package pam

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// WorkTime is how long PAM may take to say something, first and behind each answer, unless
// more is asked for. MostWork is the most: a login may take no longer in all.
const (
	WorkTime = 30 * time.Second
	MostWork = wholeTime
)

const (
	// wholeTime is how long a login may take in all, and startTime its process to begin,
	// which PAM has no part in.
	wholeTime = 2 * time.Minute
	startTime = 30 * time.Second
	// atOnce is how many processes there are at once, and maxQueue how many logins wait
	// for one to end. Who has proved nobody holds a connection meanwhile, of which the
	// door has no more.
	atOnce   = 256
	maxQueue = 256
	// Of what one login may say: more than any stack has use for.
	maxPrompts = 20
	maxTexts   = 100
)

// Person is who logs in.
type Person interface {
	// Ask asks for one answer.
	Ask(text string, shown bool) (string, error)
	// Tell tells something. In says that the account is proved by then.
	Tell(text string, in bool)
}

// Logins asks PAM about logins. Its fields are set before its first use and not changed.
// It is safe for use by several goroutines.
type Logins struct {
	// Program is the absolute path of muxward-pam.
	Program string
	// Remote, if it is not nil, has another process start it, where PAM cannot be asked with
	// our rights: it gives a line of which [Begin] has said the beginning, and how to end it.
	Remote func(context.Context, Request) (line *os.File, end func(), err error)

	once    sync.Once
	slots   chan struct{}
	waiting atomic.Int32
}

// ErrNotAsked is that PAM was not asked at all: whoever came is not to blame.
var ErrNotAsked = errors.New("PAM cannot be asked")

// Errors of a login that nobody needs to look into.
var (
	errBusy  = errors.New("too many logins wait for their turn")
	errWhole = errors.New("the login took longer than two minutes")
	errLong  = errors.New("PAM has said nothing for too long")
	// errUnasked is no login: a stack that asks nothing lets everybody in, as one that
	// trusts whom it finds itself run as, which is root here.
	errUnasked = errors.New("PAM lets them in without having asked for anything that is typed unseen; ask another service")
)

// Login has PAM let an account in by a service, or gives why it does not: for the log,
// not for the person. When it returns, nothing of it runs any more that can be found.
// Work is how long PAM may take to say something. Answers is how many questions were
// answered by which the account is proved: one of them, at least, unseen.
func (l *Logins) Login(ctx context.Context, r Request, work time.Duration, who Person) (answers int, err error) {
	if err := errors.Join(CheckService(r.Service), CheckName(r.Account)); err != nil {
		return 0, err
	}
	ctx, cancel := context.WithTimeoutCause(ctx, overdue(wholeTime), errWhole)
	defer cancel()
	leave, err := l.enter(ctx)
	if err != nil {
		return 0, fmt.Errorf("%w: %w", ErrNotAsked, err)
	}
	p, err := l.start(ctx, r, leave)
	if err != nil {
		leave()
		return 0, fmt.Errorf("%w: %w", ErrNotAsked, err)
	}
	defer p.end()
	stop := context.AfterFunc(ctx, p.hush)
	defer stop()
	c := conversation{p: p, who: who, work: overdue(work)}
	if p.remote == nil {
		err = c.begin(ctx, r)
	}
	if err == nil {
		err = c.login(ctx, r.Account)
	}
	if cause := context.Cause(ctx); err != nil && cause != nil {
		err = cause
	}
	if err != nil {
		return 0, err
	}
	return c.answers, nil
}

// start starts a process, here or where PAM can be asked.
func (l *Logins) start(ctx context.Context, r Request, leave func()) (*process, error) {
	if l.Remote == nil {
		return startProcess(l.Program, leave)
	}
	line, end, err := l.Remote(ctx, r)
	if err != nil {
		return nil, err
	}
	return &process{program: programName, line: line, remote: func() { end(); leave() }}, nil
}

// enter waits for the turn of a login. Those who wait have it in the order in which they
// came.
func (l *Logins) enter(ctx context.Context) (leave func(), err error) {
	l.once.Do(func() { l.slots = make(chan struct{}, atOnce) })
	leave = sync.OnceFunc(func() { <-l.slots })
	select {
	case l.slots <- struct{}{}: // nobody waits
		return leave, nil
	default:
	}
	defer l.waiting.Add(-1)
	if l.waiting.Add(1) > maxQueue {
		return nil, errBusy
	}
	select {
	case l.slots <- struct{}{}:
		return leave, nil
	case <-ctx.Done():
		return nil, fmt.Errorf("wait for a turn: %w", context.Cause(ctx))
	}
}

// conversation is one login as it is seen from outside of its process.
type conversation struct {
	p              *process
	who            Person
	work           time.Duration
	prompts, texts int
	answers        int    // to what was asked before the account was proved
	unseen         bool   // one of them was not shown
	unfit          error  // one of them was none
	last           string // what was told last
}

// begin is the beginning: hello, and whom it is about.
func (c *conversation) begin(ctx context.Context, r Request) error {
	if err := c.greet(ctx); err != nil {
		return fmt.Errorf("%w: %w", ErrNotAsked, err)
	}
	return c.send(numBegin, begin{version, r.Service, r.Account, r.From})
}

// login is the rest: what PAM says, and the end.
func (c *conversation) login(ctx context.Context, account string) error {
	for {
		n, body, err := c.next(ctx, c.work)
		if err != nil {
			return err
		}
		switch n {
		case numSay:
			if err := c.say(body); err != nil {
				return err
			}
		case numEnd:
			return c.ended(account, body)
		default:
			return fmt.Errorf("%w: message %d came", errFrame, n)
		}
	}
}

// greet refuses a process that speaks another version, as one that was installed while
// this muxward runs.
func (c *conversation) greet(ctx context.Context) error {
	n, body, err := c.next(ctx, startTime)
	if err != nil {
		return err
	}
	var h hello
	if n == numHello {
		err = decode(n, body, &h)
	} else {
		err = fmt.Errorf("%w: it begins with message %d", errFrame, n)
	}
	if err == nil && h.Version != version {
		err = fmt.Errorf("%s speaks version %d, and this muxward %d: install both of one release, and start muxward anew",
			c.p.program, h.Version, version)
	}
	return err
}

// next waits for a message, as long as it may take.
func (c *conversation) next(ctx context.Context, most time.Duration) (number, []byte, error) {
	if err := c.p.line.SetReadDeadline(time.Now().Add(most)); err != nil {
		return 0, nil, c.p.broken(err)
	}
	if ctx.Err() != nil || c.p.over() { // they may have hushed it just before
		c.p.hush()
	}
	n, body, err := readFrame(c.p.line)
	if err != nil {
		return 0, nil, c.p.broken(err)
	}
	return n, body, nil
}

// say passes on what PAM says, and what the person answers.
func (c *conversation) say(body []byte) error {
	var s say
	if err := decode(numSay, body, &s); err != nil {
		return err
	}
	if !s.Style.known() || len(s.Text) > maxText {
		return fmt.Errorf("%w: it says something in no known way, or too long", errFrame)
	}
	if !s.Style.asks() {
		if c.texts++; c.texts > maxTexts {
			return fmt.Errorf("PAM tells more than %d things", maxTexts)
		}
		c.last = strings.TrimSpace(string(s.Text))
		c.who.Tell(string(s.Text), s.In)
		return nil
	}
	if c.prompts++; c.prompts > maxPrompts {
		return fmt.Errorf("PAM asks more than %d questions", maxPrompts)
	}
	text, err := c.who.Ask(string(s.Text), s.Style == Shown)
	if err != nil {
		return fmt.Errorf("a question was not answered: %w", err)
	}
	a := answer{[]byte(text)}
	if err := unfit(a.Text, s); err != nil {
		clear(a.Text)
		if s.In { // it could become the password
			return err
		}
		// They are asked on, and refused in the end: that it ends here would tell that
		// there is such an account.
		c.unfit, a.Text = err, []byte(rand.Text())
	}
	defer clear(a.Text)
	if !s.In && len(a.Text) > 0 {
		c.answers++
		c.unseen = c.unseen || s.Style == Hidden
	}
	return c.send(numAnswer, a)
}

// send has the process told something.
func (c *conversation) send(n number, message any) error {
	err := c.p.line.SetWriteDeadline(time.Now().Add(startTime))
	if err == nil {
		err = writeFrame(c.p.line, n, message)
	}
	if err != nil {
		return c.p.broken(err)
	}
	return nil
}

// unfit says why an answer proves nothing: PAM would not get what was typed, as it ends a
// text at a NUL, or it is an empty password, which some modules take.
func unfit(text []byte, s say) error {
	switch {
	case len(text) > maxAnswer || bytes.IndexByte(text, 0) >= 0:
		return fmt.Errorf("an answer has more than %d bytes, or a NUL", maxAnswer)
	case len(text) == 0 && s.Style == Hidden && !s.In:
		return errors.New("an answer that is typed unseen was empty")
	}
	return nil
}

// ended gives how it went. Whom PAM has let in has to be who was asked for: rights, and
// what is written down, are those of the name that the person gave.
func (c *conversation) ended(account string, body []byte) error {
	var e end
	if err := decode(numEnd, body, &e); err != nil {
		return err
	}
	switch {
	case !e.OK:
		why := fmt.Sprintf("PAM does not let %q in (%.40q): %.200q", account, e.Step, e.Why)
		if c.last != "" {
			why += fmt.Sprintf("; it told: %.200q", c.last)
		}
		return errors.New(why)
	case c.unfit != nil:
		return c.unfit
	case !asked(c.unseen):
		return errUnasked
	case another(account, string(e.Account)):
		return fmt.Errorf("a PAM module has made %.40q of the account %q", e.Account, account)
	}
	return nil
}
