package identity

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"
)

// passwords is a host whose accounts have passwords, and a PAM that asks for one, and for
// a code, if that is set.
type passwords struct {
	rules    PasswordRules
	accounts map[string]Account
	people   map[string]string // by account
	words    map[string]string
	code     string
	says     []string // before the password, after it, and at the end
	heard    []string // what PAM was answered
	asked    string   // about whom it was asked
	from     string
	permits  bool
}

func newPasswords() *passwords {
	return &passwords{rules: PasswordRules{Service: "muxward"}, accounts: map[string]Account{
		"alice": {Name: "alice", UID: 1001}, "bob2": {Name: "bob2", UID: 1002}, "root": {Name: "root"}, "svc": {Name: "svc", UID: 1003}},
		people: map[string]string{"alice": "alice", "bob2": "bob", "root": "root"},
		words:  map[string]string{"alice": "wonder", "bob2": "builder", "root": "toor", "svc": "service"}, says: []string{"", "", ""}}
}

func (p *passwords) account(_ context.Context, name string) (Account, string, error) {
	a, ok := p.accounts[name]
	if !ok {
		return a, "", ErrNoAccount
	}
	if p.people[name] == "" {
		return a, "", errors.New("nobody's")
	}
	return a, p.people[name], nil
}

func (p *passwords) login(_ context.Context, service, name, from string, who LoginPerson) (answers int, _ error) {
	p.heard, p.from, p.asked = nil, from, name
	tell := func(i int, in bool) {
		if p.says[i] != "" {
			who.Tell(p.says[i], in)
		}
	}
	ask := func(text string, shown bool, want string) error {
		a, err := who.Ask(text, shown)
		p.heard = append(p.heard, a)
		answers++
		if err == nil && (a != want || want == "") {
			err = errors.New("authentication failure")
		}
		return err
	}
	tell(0, false)
	err := ask("Password: ", false, p.words[name])
	tell(1, false)
	if p.code != "" {
		err = errors.Join(err, ask("Code:\x1b[2J ", true, p.code))
	}
	tell(2, err == nil)
	if p.permits { // by a stack that lets everybody in
		return answers, nil
	}
	return answers, err
}

// with gives a prover that takes passwords.
func (p *passwords) with(t *testing.T) *world {
	w := newWorld(t, "", "", nil)
	w.prover.Passwords = &SSHPasswords{Rules: func() PasswordRules { return p.rules }, Account: p.account, Login: p.login, Wait: time.Nanosecond}
	return w
}

// typist answers what it is asked, and notes what it was shown.
type typist struct {
	answers []string
	shown   []string
}

func (y *typist) method() ssh.AuthMethod {
	return ssh.KeyboardInteractive(func(_, instruction string, questions []string, echos []bool) ([]string, error) {
		y.shown = append(y.shown, fmt.Sprintf("%q %q %v", instruction, questions, echos))
		if len(questions) == 0 {
			return nil, nil
		}
		if len(y.answers) == 0 {
			return nil, errors.New("no more answers")
		}
		a := y.answers[0]
		y.answers = y.answers[1:]
		return []string{a}, nil
	})
}

// TestPassword: whoever proves an account is the person whose it is, as at the tmux door,
// and has named it before what they want.
func TestPassword(t *testing.T) {
	for _, user := range []string{"bob2", "bob2+work", "bob2+"} {
		for name, method := range map[string]ssh.AuthMethod{
			"asked": (&typist{answers: []string{"builder"}}).method(), "password": ssh.Password("builder")} {
			p := newPasswords()
			w := p.with(t)
			who, pr, err := w.login(t, user, method)
			if err != nil {
				t.Fatalf("%s %s: %v", user, name, err)
			}
			s := who.Subject()
			if s != (Subject{Person: "bob", Account: "bob2", UID: 1002, Door: "ssh"}) || who.Key() != "" || who.From() == "" || p.from != "127.0.0.1" {
				t.Errorf("%s %s: %+v %q %q %q", user, name, s, who.Key(), who.From(), p.from)
			}
			if _, peer := who.UID(); peer {
				t.Error("the kernel is said to have told the uid")
			}
			if want := strings.TrimPrefix(strings.TrimPrefix(user, "bob2"), "+"); pr.Target(user) != want || !pr.ByPassword() {
				t.Errorf("%s names %q", user, pr.Target(user))
			}
		}
	}
	w := newPasswords().with(t)
	if _, pr, err := w.login(t, "work", ssh.PublicKeys(w.alice)); err != nil || pr.Target("work") != "work" || pr.ByPassword() {
		t.Errorf("by a key as before: %v", err)
	}
}

// TestPasswordRefused: nobody else comes in. Who names an account that is not taken is
// asked like anybody, and PAM never hears what they say.
func TestPasswordRefused(t *testing.T) {
	for _, tc := range []struct {
		name, user string
		change     func(*passwords)
		answers    []string
		hears      []string
		why        string
	}{
		{"wrong", "alice", nil, []string{"x"}, []string{"x"}, "authentication failure"},
		{"another's", "alice", nil, []string{"builder"}, []string{"builder"}, "authentication failure"},
		{"no account", "carol", nil, []string{"x"}, nil, "no such account"},
		{"nobody's", "svc", nil, []string{"service"}, nil, "nobody's"},
		{"root", "root", nil, []string{"toor"}, nil, "root does not come by a password"},
		{"let in by PAM", "permitted", func(p *passwords) { p.permits = true }, []string{"x"}, nil, "no such account"},
		{"a person of another account", "bob", nil, []string{"builder"}, nil, "no such account"},
		{"no name of a person", "alice", func(p *passwords) { p.people["alice"] = "Alice" }, []string{"wonder"}, nil, "a person's name"},
		{"nameless", "+alice", nil, []string{"wonder"}, nil, "no such account"},
	} {
		p := newPasswords()
		if tc.change != nil {
			tc.change(p)
		}
		w := p.with(t)
		guessed := 0
		w.prover.Guessed = func(string) { guessed++ }
		y := &typist{answers: tc.answers}
		who, _, err := w.login(t, tc.user, y.method())
		if err == nil || !who.IsNobody() {
			t.Errorf("%s: let in", tc.name)
		}
		if w.why == nil || !strings.Contains(w.why.Error(), tc.why) || guessed != 1 {
			t.Errorf("%s: %v, not %q; %d", tc.name, w.why, tc.why, guessed)
		}
		if len(y.shown) != 1 || y.shown[0] != `"" ["Password: "] [false]` {
			t.Errorf("%s: was shown %q", tc.name, y.shown)
		}
		if tc.hears == nil && (len(p.heard) != 1 || slices.Contains(tc.answers, p.heard[0])) || tc.hears != nil && !slices.Equal(p.heard, tc.hears) {
			t.Errorf("%s: PAM heard %q", tc.name, p.heard)
		}
		if about := map[bool]string{true: tc.user}[tc.hears != nil]; p.asked != about {
			t.Errorf("%s: PAM was asked about %q, not %q", tc.name, p.asked, about)
		}
	}
	p := newPasswords()
	p.rules.Root = true
	if who, _, err := p.with(t).login(t, "root", ssh.Password("toor")); err != nil || who.Person() != "root" {
		t.Errorf("root, where that is configured: %v", err)
	}
	p.rules.Service = ""
	if _, _, err := p.with(t).login(t, "alice", ssh.Password("wonder")); err == nil || !strings.Contains(err.Error(), "attempted methods [none]") {
		t.Errorf("a password where none are taken: %v", err)
	}
}

// TestPasswordTexts: what PAM tells is shown with the next prompt and at the end, and
// nothing of it is obeyed. Before the first answer, and to who is not let in, nothing is.
func TestPasswordTexts(t *testing.T) {
	p := newPasswords()
	p.code, p.says = "7", []string{"locked", "a\x1b]0;x\x07b\n", "42 days\u202e left"}
	y := &typist{answers: []string{"wonder", "7"}}
	if _, _, err := p.with(t).login(t, "alice", y.method()); err != nil {
		t.Fatal(err)
	}
	want := []string{`"" ["Password: "] [false]`, `"a?]0;x?b\n" ["Code:?[2J "] [true]`, `"42 days? left\n" [] []`}
	if !slices.Equal(y.shown, want) {
		t.Errorf("was shown %q", y.shown)
	}
	y = &typist{answers: []string{"wonder", "8"}}
	if _, _, err := p.with(t).login(t, "alice", y.method()); err == nil || len(y.shown) != 2 {
		t.Errorf("with a wrong code: %v, was shown %q", err, y.shown)
	}
	p.code = "wonder" // what is sent once answers one question
	if _, _, err := p.with(t).login(t, "alice", ssh.Password("wonder")); err == nil {
		t.Error("the method password does where there is a code, too")
	}
}

// TestPasswordWaits: whatever was wrong is said as late.
func TestPasswordWaits(t *testing.T) {
	w := newPasswords().with(t)
	w.prover.Passwords.Wait = 300 * time.Millisecond
	for _, user := range []string{"alice", "nobody"} {
		began := time.Now()
		if _, _, err := w.login(t, user, ssh.Password("x")); err == nil || time.Since(began) < w.prover.Passwords.Wait {
			t.Errorf("%s: %v after %s", user, err, time.Since(began))
		}
	}
	w.prover.Trying = func() error { return errors.New("wait") }
	w.prover.Passwords.Login = func(context.Context, string, string, string, LoginPerson) (int, error) {
		t.Error("PAM is asked")
		return 0, nil
	}
	if _, _, err := w.login(t, "alice", ssh.Password("wonder")); err == nil || w.why.Error() != "wait" {
		t.Errorf("who has to wait: %v, %v", err, w.why)
	}
}

// TestPasswordStands: what was proved holds as long as passwords are taken as they were
// and the account is that person's.
func TestPasswordStands(t *testing.T) {
	for name, change := range map[string]func(*passwords){
		"as it was":           func(*passwords) {},
		"another password":    func(p *passwords) { p.words["alice"] = "new" },
		"passwords off":       func(p *passwords) { p.rules.Service = "" },
		"another service":     func(p *passwords) { p.rules.Service = "login" },
		"one factor":          func(p *passwords) { p.rules.MFA = false },
		"no account":          func(p *passwords) { delete(p.accounts, "alice") },
		"another account":     func(p *passwords) { p.accounts["alice"] = Account{Name: "alice", UID: 7} },
		"somebody else's":     func(p *passwords) { p.people["alice"] = "bob" },
		"of nobody":           func(p *passwords) { p.people["alice"] = "" },
		"passwords not known": nil,
	} {
		p := newPasswords()
		p.rules.MFA, p.code = true, "7"
		w := p.with(t)
		who, pr, err := w.login(t, "alice", (&typist{answers: []string{"wonder", "7"}}).method())
		if err != nil || !who.MFA() {
			t.Fatalf("%s: %v %v", name, err, who.MFA())
		}
		if change == nil {
			w.prover.Passwords = nil
		} else {
			change(p)
		}
		_, err = w.prover.Stands(t.Context(), pr)
		if ok := name == "as it was" || name == "another password"; (err == nil) != ok {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestPasswordFactors: a login counts as two factors only if it is said that the service
// asks for both, and it has asked for both.
func TestPasswordFactors(t *testing.T) {
	for _, tc := range []struct{ says, asks bool }{{true, true}, {true, false}, {false, true}, {false, false}} {
		p := newPasswords()
		p.rules.MFA = tc.says
		if tc.asks {
			p.code = "7"
		}
		who, _, err := p.with(t).login(t, "alice", (&typist{answers: []string{"wonder", "7"}}).method())
		if err != nil || who.MFA() != (tc.says && tc.asks) {
			t.Errorf("%+v: %v, %v", tc, err, who.MFA())
		}
	}
}

// TestPasswordUnasked: a service that asks nothing lets nobody in, whatever they have sent.
func TestPasswordUnasked(t *testing.T) {
	w := newPasswords().with(t)
	w.prover.Passwords.Login = func(context.Context, string, string, string, LoginPerson) (int, error) { return 0, nil }
	for name, method := range map[string]ssh.AuthMethod{"asked": (&typist{}).method(), "password": ssh.Password("wonder")} {
		if who, _, err := w.login(t, "alice", method); err == nil {
			t.Errorf("%s: %s is in", name, who.Person())
		}
	}
}

// TestPasswordNames: who names nobody is asked in the name that they gave.
func TestPasswordNames(t *testing.T) {
	p := newPasswords()
	w := p.with(t)
	w.prover.Passwords.Login = func(_ context.Context, _, name, _ string, who LoginPerson) (int, error) {
		if name == "" {
			name = Nobody
		}
		_, err := who.Ask("Password of "+name+": ", false)
		return 1, errors.Join(err, errors.New("wrong"))
	}
	for _, user := range []string{"alice", "svc", "whoever"} {
		y := &typist{answers: []string{"x"}}
		if _, _, err := w.login(t, user, y.method()); err == nil || len(y.shown) != 1 || y.shown[0] != `"" ["Password of `+user+`: "] [false]` {
			t.Errorf("%s: %v, was shown %q", user, err, y.shown)
		}
	}
}

// TestPasswordStanding: who is in does not go because of what strangers have looked up.
func TestPasswordStanding(t *testing.T) {
	p := newPasswords()
	w := p.with(t)
	_, pr, err := w.login(t, "alice", ssh.Password("wonder"))
	if err != nil {
		t.Fatal(err)
	}
	w.prover.Passwords.Standing = p.account
	w.prover.Passwords.Account = func(context.Context, string) (Account, string, error) {
		return Account{}, "", errors.New("too many at once")
	}
	if _, err := w.prover.Stands(t.Context(), pr); err != nil {
		t.Error(err)
	}
}

// TestPasswordMeanwhile: an account that is another's by the time that PAM lets it in
// makes nobody somebody.
func TestPasswordMeanwhile(t *testing.T) {
	p := newPasswords()
	w := p.with(t)
	login := w.prover.Passwords.Login
	w.prover.Passwords.Login = func(ctx context.Context, service, name, from string, who LoginPerson) (int, error) {
		defer func() { p.people["alice"] = "bob" }()
		return login(ctx, service, name, from, who)
	}
	if who, _, err := w.login(t, "alice", ssh.Password("wonder")); err == nil || !strings.Contains(w.why.Error(), "somebody else's now") {
		t.Errorf("%v is in: %v, %v", who.Person(), err, w.why)
	}
}

// secondWord is a second factor of alice's.
type secondWord struct{}

func (secondWord) Of(person string) string {
	if person == "alice" {
		return "w"
	}
	return ""
}

func (secondWord) Ask(_ string, challenge ssh.KeyboardInteractiveChallenge) error {
	a, err := challenge("", "", []string{"Word: "}, []bool{false})
	if err == nil && a[0] != "please" {
		err = errors.New("the word is wrong")
	}
	return err
}

// TestPasswordAndSecondFactor: whoever has a second factor is asked for it behind their
// password, too.
func TestPasswordAndSecondFactor(t *testing.T) {
	for last, ok := range map[string]bool{"please": true, "now": false} {
		w := newPasswords().with(t)
		w.prover.Second = secondWord{}
		by := ""
		w.prover.Asking = func(person, with string) error { by = person + " " + with; return nil }
		y := &typist{answers: []string{"wonder", last}}
		who, _, err := w.login(t, "alice", y.method())
		if (err == nil) != ok || who.MFA() != ok || by != `alice password of "alice"` {
			t.Errorf("%s: %v %v %q", last, err, who.MFA(), by)
		}
		if who, _, err := w.login(t, "bob2", ssh.Password("builder")); err != nil || who.MFA() {
			t.Errorf("who has none: %v", err)
		}
	}
}

// TestPasswordFrom: what has no address is nobody's.
func TestPasswordFrom(t *testing.T) {
	p := newPasswords()
	w := p.with(t)
	if _, err := w.prover.Passwords.prove(t.Context(), "alice", &net.UnixAddr{}, &single{password: "wonder"}); err == nil {
		t.Error("let in from nowhere")
	}
}

// TestPasswordLookedUp: of many connections each account is looked up once; and who is not
// found in time does not stand.
func TestPasswordLookedUp(t *testing.T) {
	p := newPasswords()
	w := p.with(t)
	_, pr, err := w.login(t, "alice", ssh.Password("wonder"))
	if err != nil {
		t.Fatal(err)
	}
	times, slow := 0, false
	w.prover.Passwords.Standing = func(ctx context.Context, name string) (Account, string, error) {
		if times++; slow {
			<-ctx.Done()
			return Account{}, "", ctx.Err()
		}
		return p.account(ctx, name)
	}
	look := w.prover.Look()
	for range 3 {
		if _, err := look(t.Context(), pr); err != nil {
			t.Error(err)
		}
	}
	if times != 1 {
		t.Errorf("looked up %d times", times)
	}
	delete(p.accounts, "alice")
	if _, err := w.prover.Stands(t.Context(), pr); !errors.Is(err, ErrNoAccount) || times != 2 {
		t.Errorf("the next time it is not looked up anew: %v", err)
	}
	slow = true
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := w.prover.Stands(ctx, pr); !errors.Is(err, context.Canceled) {
		t.Errorf("whose account is not found in time: %v", err)
	}
}

// TestPasswordTooOften: whose account was tried too often is asked as anybody is, also with
// the right password, and comes in by none: how often one may try tells nobody which accounts
// there are.
func TestPasswordTooOften(t *testing.T) {
	p := newPasswords()
	w := p.with(t)
	w.prover.Passwords.Login = func(ctx context.Context, service, name, from string, who LoginPerson) (int, error) {
		if name == "alice" {
			return 0, fmt.Errorf("%w: by a test", ErrTooOften)
		}
		return p.login(ctx, service, name, from, who)
	}
	shown := map[string][]string{}
	for _, name := range []string{"alice", "nobody-here"} {
		y := &typist{answers: []string{"wonder"}}
		if who, _, err := w.login(t, name, y.method()); err == nil {
			t.Errorf("%s is in", who.Person())
		}
		shown[name] = y.shown
		if p.asked != "" || len(p.heard) != 1 || p.heard[0] == "wonder" {
			t.Errorf("%s: PAM was asked about %q and heard %q", name, p.asked, p.heard)
		}
	}
	if len(shown["alice"]) == 0 || !slices.Equal(shown["alice"], shown["nobody-here"]) {
		t.Errorf("it is shown %q, who is nobody here %q", shown["alice"], shown["nobody-here"])
	}
}

// TestBehindKeyOfRoot: PAM is asked about root behind a key where it is by a password alone, and nowhere else.
func TestBehindKeyOfRoot(t *testing.T) {
	p := newPasswords()
	w := &SSHPasswords{Rules: func() PasswordRules { return p.rules }, Account: p.account, Login: p.login}
	for _, root := range []bool{false, true} {
		p.rules.Root, p.asked = root, ""
		who := &single{password: "toor"}
		_, err := w.proveBehind(t.Context(), &SSHProof{person: "root"}, "root", who)
		if (err == nil) != root || (p.asked == "root") != root || err != nil && !strings.Contains(err.Error(), "pam_root") {
			t.Errorf("%t: %v, PAM was asked about %q", root, err, p.asked)
		}
	}
}
