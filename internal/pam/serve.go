package pam

import (
	"errors"
	"fmt"
	"io"
)

// Transaction is what [Serve] does with libpam. Its errors are for the log.
type Transaction interface {
	Authenticate() error
	// Account asks whether the account may come in now. Expired says that it may once it
	// has another password.
	Account() (expired bool, err error)
	// Change has the person give themselves another password.
	Change() error
	// User is the account as it is now: modules can change it.
	User() (string, error)
	// End ends it, with what modules have to clean up.
	End() error
}

// Request is what a [Transaction] is begun with.
type Request struct{ Service, Account, From string }

// Converse says something to the person, and gives the answer to what asks for one.
type Converse func(style Style, text string) (string, error)

// Serve serves one login on a line: what muxward-pam does. It returns when the other
// side has gone.
func Serve(line io.ReadWriter, start func(Request, Converse) (Transaction, error)) error {
	if err := writeFrame(line, numHello, hello{version}); err != nil {
		return err
	}
	var b begin
	if err := expect(line, numBegin, &b); err != nil {
		return fmt.Errorf("read whom to ask for: %w", err)
	}
	if b.Version != version {
		return fmt.Errorf("the other side speaks version %d, and this one %d", b.Version, version)
	}
	t := talk{line: line}
	e := t.login(Request{b.Service, b.Account, b.From}, start)
	e.Why = cut(e.Why, maxText)
	if err := writeFrame(line, numEnd, e); err != nil {
		return err
	}
	// Whoever was started here is found as long as this process lives: the other side
	// ends both.
	_, err := line.Read(make([]byte, 1))
	if errors.Is(err, io.EOF) {
		return nil
	}
	return err
}

// talk is the conversation of one login. What it may say is bounded by the other side:
// whatever a module can do, it can do in here, too.
type talk struct {
	line io.ReadWriter
	in   bool
}

// login takes the steps of a login, in order.
func (t *talk) login(r Request, start func(Request, Converse) (Transaction, error)) end {
	tx, err := start(r, t.say)
	if err != nil {
		return end{Step: "start", Why: []byte(err.Error())}
	}
	e := t.steps(tx)
	if err := tx.End(); err != nil && e.OK {
		return end{Step: "end", Why: []byte(err.Error())}
	}
	return e
}

func (t *talk) steps(tx Transaction) end {
	fail := func(step string, err error) end { return end{Step: step, Why: []byte(err.Error())} }
	if err := tx.Authenticate(); err != nil {
		return fail("authenticate", err)
	}
	t.in = true
	expired, err := tx.Account()
	if err != nil {
		return fail("account", err)
	}
	if expired {
		if err := tx.Change(); err != nil {
			return fail("change the password", err)
		}
	}
	user, err := tx.User()
	if err != nil {
		return fail("account", err)
	}
	if len(user) > maxText {
		return fail("account", errors.New("the name that a module gave the account is too long"))
	}
	return end{OK: true, Account: []byte(user)}
}

// say is the [Converse] of a login.
func (t *talk) say(style Style, text string) (string, error) {
	if err := writeFrame(t.line, numSay, say{style, cut([]byte(text), maxText), t.in}); err != nil {
		return "", err
	}
	if !style.asks() {
		return "", nil
	}
	var a answer
	if err := expect(t.line, numAnswer, &a); err != nil {
		return "", fmt.Errorf("read the answer: %w", err)
	}
	defer clear(a.Text)
	return string(a.Text), nil
}

func cut(b []byte, most int) []byte { return b[:min(len(b), most)] }
