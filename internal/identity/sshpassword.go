package identity

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"strings"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/muxward/muxward/internal/teeth"
)

const (
	// failTime is how long behind the last answer somebody hears that they are not let in,
	// whatever was wrong: it covers what PAM has people wait for a wrong password.
	failTime = 3 * time.Second
	// maxTold bounds what is shown of what PAM tells at once, and maxPrompt one prompt.
	maxTold   = 8 << 10
	maxPrompt = 1 << 10
)

// PasswordRules say whose passwords prove them at the ssh door.
type PasswordRules struct {
	// Service is the PAM service; "" means that no passwords are taken.
	Service string
	// Root has root come in, too.
	Root bool
	// MFA says that the service lets people in by one factor and another only. Who has
	// answered two questions then has proved two.
	MFA bool
	// BehindKey, if it is set, says who proves a password behind each key, and comes by none
	// without.
	BehindKey func(person string) bool
}

// LoginPerson is who is asked, and told, while PAM decides. In says that the account is
// proved by then.
type LoginPerson interface {
	Ask(text string, shown bool) (string, error)
	Tell(text string, in bool)
}

// SSHPasswords has people prove an account of this host in a conversation with PAM.
type SSHPasswords struct {
	// Rules gives what is in force now.
	Rules func() PasswordRules
	// Account gives an account by its name, and whose it is. Its error is that nobody comes
	// in by that name.
	Account func(ctx context.Context, name string) (Account, string, error)
	// Standing is the same for somebody who has proved the account: what strangers have looked
	// up is not to be in their way. If nil it is Account.
	Standing func(ctx context.Context, name string) (Account, string, error)
	// Of gives the name of a person's account.
	Of func(ctx context.Context, person string) (string, error)
	// Login has PAM let an account in, or gives why it does not. It takes any name; "" is
	// that of nobody. Answers is how many questions were answered before the account was proved.
	Login func(ctx context.Context, service, name, from string, who LoginPerson) (answers int, err error)
	// Wait is how long behind the last answer somebody hears that they are not let in; 0 is
	// three seconds.
	Wait time.Duration
}

// passwordProof is the account that a connection has proved, by which rules.
type passwordProof struct {
	account Account
	service string
	mfa     bool
}

// passwords has a connection prove an account: by keyboard-interactive, or by the method
// password where PAM asks for nothing else.
func (p *SSHProver) passwords(ctx context.Context, c *ssh.ServerConfig) {
	if p.Passwords == nil || p.Passwords.Rules().Service == "" {
		return
	}
	c.KeyboardInteractiveCallback = func(conn ssh.ConnMetadata, challenge ssh.KeyboardInteractiveChallenge) (*ssh.Permissions, error) {
		return p.byPassword(ctx, conn, &dialogue{challenge: challenge, spoke: time.Now()})
	}
	c.PasswordCallback = func(conn ssh.ConnMetadata, password []byte) (*ssh.Permissions, error) {
		return p.byPassword(ctx, conn, &single{password: string(password), spoke: time.Now()})
	}
}

// speaker is a person at the door.
type speaker interface {
	LoginPerson
	// last is when they said something, or came.
	last() time.Time
	// welcome shows them what they were told and have not seen.
	welcome() error
}

// byPassword is one try to come in by a password.
func (p *SSHProver) byPassword(ctx context.Context, conn ssh.ConnMetadata, who speaker) (*ssh.Permissions, error) {
	name, _, _ := strings.Cut(conn.User(), "+")
	of := byPasswordOf(name)
	if p.Trying != nil {
		if err := p.Trying(); err != nil { // it is about their address, and tells nothing of the account
			p.refusedBy(conn.RemoteAddr(), of, err)
			return nil, errDenied
		}
	}
	proof, err := p.Passwords.prove(ctx, name, conn.RemoteAddr(), who)
	if err == nil { // it took its time: the account may be somebody else's by now
		_, err = p.Stands(ctx, proof)
	}
	if err == nil {
		err = who.welcome()
	}
	if err != nil {
		p.refusedBy(conn.RemoteAddr(), of, err)
		p.failed(name, err)
		p.Passwords.wait(ctx, who.last())
		return nil, errDenied
	}
	return p.further(ctx, conn.RemoteAddr(), proof)
}

// failed tells of a try that did not succeed.
func (p *SSHProver) failed(name string, err error) {
	switch {
	case errors.Is(err, ErrNotAsked):
		if p.NotAsked != nil {
			p.NotAsked(err)
		}
	case p.Guessed != nil:
		p.Guessed(name)
	}
}

// ErrTooOften is that PAM was not asked about an account, as it was too often just now.
var ErrTooOften = errors.New("too many have tried")

// ErrNotAsked is that nobody could ask about a password, right or wrong.
var ErrNotAsked = errors.New("nobody can be asked about passwords")

// byPasswordOf is what the log has in the place of a key.
func byPasswordOf(name string) string { return fmt.Sprintf("password of %.40q", name) }

// wait has whoever is not let in wait as long as anybody else.
func (w *SSHPasswords) wait(ctx context.Context, since time.Time) {
	timer := time.NewTimer(time.Until(since.Add(cmp.Or(w.Wait, failTime))))
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

// prove has somebody prove an account. Whoever names one by which nobody comes in is
// asked as everybody is, and what they answer is not what PAM hears: so nobody learns
// whether there is such an account, or what its password is.
func (w *SSHPasswords) prove(ctx context.Context, name string, from net.Addr, who LoginPerson) (*SSHProof, error) {
	rules := w.Rules()
	if rules.Service == "" {
		return nil, errors.New("no passwords are taken any more")
	}
	at, err := addressOf(from)
	if err != nil {
		return nil, err
	}
	account, person, wrong := taken(ctx, rules, name, w.Account)
	asked := name
	if wrong != nil {
		// What PAM hears of nobody's tries counts for no account: whoever has one of this
		// host that is not for here would be kept out of all of it.
		asked, who = "", deaf{who, name}
	}
	answers, err := w.Login(ctx, rules.Service, asked, at.Addr().String(), who)
	if wrong == nil && errors.Is(err, ErrTooOften) {
		// They are asked all the same, as whoever is nothing here is: nobody learns by how
		// often they may try which accounts there are.
		_, _ = w.Login(ctx, rules.Service, "", at.Addr().String(), deaf{who, name})
	}
	switch {
	case wrong != nil && err != nil:
		return nil, fmt.Errorf("%w (%w)", wrong, err)
	case wrong != nil:
		return nil, wrong
	case err != nil:
		return nil, err
	case answers == 0 && !teeth.Out(teeth.PAM):
		return nil, errors.New("PAM lets them in without an answer")
	}
	mfa := rules.MFA && answers > 1
	return &SSHProof{person: person, from: at, password: &passwordProof{account, rules.Service, mfa}}, nil
}

// taken gives an account by whose password somebody comes in.
func taken(ctx context.Context, rules PasswordRules, name string, find findAccount) (Account, string, error) {
	account, person, err := find(ctx, name)
	if err == nil && account.UID == 0 && !rules.Root {
		err = errors.New("root does not come by a password (ssh: pam_root)")
	}
	if err == nil {
		person, err = CanonicalName(person)
	}
	if err == nil && rules.behindKey(person) {
		err = errors.New("a password alone is not enough: they come by a key, and prove it behind that (ssh: pam_behind_keys)")
	}
	return account, person, err
}

// stands says whether an account would still be let in if it were proved now: as long as
// it is there, is the same person's, and passwords are taken as they were.
func (w *SSHPasswords) stands(ctx context.Context, pr *SSHProof, find findAccount) error {
	if w == nil {
		return errors.New("no passwords are taken")
	}
	rules, was := w.Rules(), pr.password
	if rules.Service != was.service || was.mfa && !rules.MFA {
		return errors.New("passwords are not taken any more, or not as they were")
	}
	account, person, err := taken(ctx, rules, was.account.Name, find)
	switch {
	case err != nil:
		return err
	case account.UID != was.account.UID:
		return fmt.Errorf("the account %s is another one now", was.account.Name)
	case person != pr.person:
		return fmt.Errorf("the account %s is somebody else's now", was.account.Name)
	}
	return nil
}

// findAccount gives an account by its name, and whose it is.
type findAccount = func(ctx context.Context, name string) (Account, string, error)

// standing is who looks accounts up for those who are in: each name once, however often it
// is asked for, and what came of that is the answer to all.
func (w *SSHPasswords) standing() findAccount {
	type answer struct {
		account Account
		person  string
		err     error
	}
	known := map[string]answer{}
	return func(ctx context.Context, name string) (Account, string, error) {
		a, ok := known[name]
		if !ok {
			find := w.Standing
			if find == nil {
				find = w.Account
			}
			a.account, a.person, a.err = find(ctx, name)
			known[name] = a
		}
		return a.account, a.person, a.err
	}
}

// Nobody is the account that PAM is asked about in the place of one by which nobody comes
// in.
const Nobody = "no_such_account"

// deaf asks somebody and does not listen. What is asked names whom they have named.
type deaf struct {
	LoginPerson
	name string
}

// Ask gives what nobody has as their password.
func (d deaf) Ask(text string, shown bool) (string, error) {
	if _, err := d.LoginPerson.Ask(strings.ReplaceAll(text, Nobody, d.name), shown); err != nil {
		return "", err
	}
	return rand.Text(), nil
}

// Tell tells it with the same name.
func (d deaf) Tell(text string, in bool) {
	d.LoginPerson.Tell(strings.ReplaceAll(text, Nobody, d.name), in)
}

// dialogue is who comes by keyboard-interactive.
type dialogue struct {
	challenge ssh.KeyboardInteractiveChallenge
	spoke     time.Time
	answers   int
	told      []byte
}

// Ask asks with one prompt, under what was told before.
func (d *dialogue) Ask(text string, shown bool) (string, error) {
	answers, err := d.challenge("", string(d.told), []string{harmless(text, maxPrompt)}, []bool{shown})
	if err != nil {
		return "", err
	}
	d.spoke, d.told = time.Now(), nil
	d.answers++
	return answers[0], nil
}

// Tell keeps what is told for the next prompt. Before the first answer it is kept from
// them: it could say that there is such an account, as that it is locked.
func (d *dialogue) Tell(text string, in bool) {
	if (d.answers > 0 || in) && len(d.told) < maxTold {
		d.told = append(d.told, strings.TrimRight(harmless(text, maxPrompt), "\n")+"\n"...)
	}
}

func (d *dialogue) last() time.Time { return d.spoke }

func (d *dialogue) welcome() error {
	if len(d.told) == 0 {
		return nil
	}
	_, err := d.challenge("", string(d.told), nil, nil)
	return err
}

// single is who has sent a password and nothing else, and can be asked nothing.
type single struct {
	password string
	spoke    time.Time
	asked    bool
}

var errMore = errors.New("PAM asks for more than a password, which takes keyboard-interactive")

// Ask gives the password to the one prompt that hides what is typed.
func (s *single) Ask(_ string, shown bool) (string, error) {
	if shown || s.asked {
		return "", errMore
	}
	s.asked = true
	return s.password, nil
}

// Tell tells nothing: there is no way to.
func (s *single) Tell(string, bool) {}

func (s *single) last() time.Time { return s.spoke }

func (s *single) welcome() error { return nil }
