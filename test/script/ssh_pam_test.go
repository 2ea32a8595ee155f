package script

import (
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/muxward/muxward/internal/soak"
	"github.com/muxward/muxward/internal/tmux/tmuxtest"
	"github.com/muxward/muxward/test/host"
)

// unixStack asks for the password of an account, and more, and keeps out who had so many
// wrong ones.
func unixStack(deny int, more string) string {
	return fmt.Sprintf(`auth required pam_faillock.so preauth silent deny=%[1]d dir=$BASE/faillock
auth [success=1 default=ignore] pam_unix.so
auth [default=die] pam_faillock.so authfail deny=%[1]d dir=$BASE/faillock
%[2]s
auth sufficient pam_faillock.so authsucc dir=$BASE/faillock
auth required pam_deny.so
account required pam_unix.so
`, deny, more)
}

// TestSSHPassword: alice comes with her password and a code of her token, by OpenSSH's
// client, and is asked again when she mistypes. The policy wants two factors for typing,
// and what PAM has asked for counts as such. bob chooses from the list, as the name that
// he has given is his account. Then passwords are switched off.
func TestSSHPassword(t *testing.T) {
	t.Parallel()
	if !tmuxtest.PAMModule("pam_oath") {
		tmuxtest.Skip(t, "needs libpam-oath: comes by password and code")
	}
	h := host.Prepare(t, host.Config{PAM: unixStack(3, "auth requisite pam_oath.so usersfile=$BASE/oath window=3"), SSHMore: "pam_mfa: true", Policy: map[string]string{
		"grants.yaml": "grants:\n  - {who: mwbob, role: viewer, on: mwalice/work, reason: looks on}\n  - {who: root, role: admin, on: \"*\", reason: runs it}\n",
		"mfa.cedar":   "@reason(\"by ssh typing needs a second factor\")\nforbid (principal, action == Action::\"type\", resource) when { context.door == \"ssh\" } unless { context.mfa };\n"}})
	const hers, his = "3132333435363738393031323334353637383930", "3132333435363738393031323334353637383931"
	if err := os.WriteFile(h.Base+"/oath", []byte("HOTP/T30/6 mwalice - "+hers+"\nHOTP/T30/6 mwbob - "+his+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	h.Run()
	h.Must(host.Alice, "new-session", "-d", "-s", "work", "cat")

	a := h.SSHPasswordTerminal("127.0.0.1", "mwalice+work")
	a.WaitFor("Password:")
	a.Type("wrong horse\r")
	tmuxtest.Eventually(t, func() bool { return strings.Count(strings.Join(a.Screen(), "\n"), "Password:") == 2 }, "she is asked again")
	a.Type(host.Password + "\r")
	a.WaitFor("One-time password")
	a.Type(h.Code("GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ", 0) + "\r")
	a.WaitFor("[work]")
	a.Type("by-alice")
	a.WaitFor("by-alice")

	b := h.SSHPasswordTerminal("127.0.0.2", "mwbob")
	b.WaitFor("Password:")
	b.Type(host.Password + "\r")
	b.WaitFor("One-time password")
	b.Type(h.Code("GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJR", 0) + "\r")
	b.WaitFor("mwalice/work")

	if n := len(h.PAMProcesses()); n != 0 {
		t.Errorf("%d processes still ask PAM", n)
	}
	h.ReloadConfig(func(text string) string {
		return strings.Replace(regexp.MustCompile(`pam: mwtest-\d+`).ReplaceAllString(text, "pam: false"), ", pam_mfa: true", "", 1)
	})
	tmuxtest.Eventually(t, func() bool { return a.Exited() && b.Exited() }, "both are ended")
	if _, err := h.DialPassword("mwalice", &host.Talk{From: "127.0.0.3"}); err == nil || !strings.Contains(err.Error(), "attempted methods [none]") {
		t.Errorf("passwords are still taken: %v", err)
	}
	logged := func(who, account, note string) bool {
		return slices.ContainsFunc(h.Audit(), func(e host.Event) bool {
			return e.Door == "ssh" && e.Person == who && e.Account == account && e.Key == "" && strings.Contains(e.Note, note)
		})
	}
	tmuxtest.Eventually(t, func() bool {
		return logged(host.Alice, host.Alice, "let in by password, and a second factor; passwords that were not taken before: 1, of \"mwalice\"") && logged(host.Bob, host.Bob, "let in by password, and a second factor")
	}, "the log tells of both")
}

// TestSSHPasswordModules: what a host's own modules say of a login is what happens, by the
// address that people come from, the time, and files that keep people out.
func TestSSHPasswordModules(t *testing.T) {
	t.Parallel()
	h := host.Start(t, host.Config{PAM: "auth required pam_deny.so\n"})
	for name, text := range map[string]string{"access": "-:mwalice:127.0.4.1\n+:ALL:ALL\n", "time": "*;*;mwbob;!Al0000-2400\n", "nologin": "Come back later.\n"} {
		if err := os.WriteFile(h.Base+"/"+name, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	type login struct {
		name, user, from, word string
		why                    string // in the log; "": they are let in
	}
	packaged, err := os.ReadFile("../../packaging/pam.d/muxward")
	if err != nil {
		t.Fatal(err)
	}
	unix, comes := unixStack(1, ""), strings.ReplaceAll(string(packaged), "pam_faillock.so", "pam_faillock.so deny=1 dir=$BASE/packaged")
	const all = "account required pam_access.so accessfile=$BASE/access\naccount required pam_time.so conffile=$BASE/time\n"
	for _, group := range []struct { // which come at once
		stack  string
		logins []login
	}{
		{unix + all, []login{
			{"the right password", host.Alice, "127.0.5.1", host.Password, ""},
			{"a wrong one", host.Carol, "127.0.5.2", "x", `"mwcarol" in ("authenticate")`},
			{"nobody's account", host.Work, "127.0.5.3", host.Password, `"mwwork" is nobody's in people.yaml`},
			{"no account", "nobody-at-all", "127.0.5.4", host.Password, "no such account"},
			{"from where she may not come", host.Alice, "127.0.4.1", host.Password, `"mwalice" in ("account")`},
			{"when he may not come", host.Bob, "127.0.5.5", host.Password, `"mwbob" in ("account")`},
		}},
		{unix, []login{
			{"locked by a wrong password", host.Carol, "127.0.5.6", host.Password, `"mwcarol" in ("authenticate")`},
			{"at any time", host.Bob, "127.0.5.7", host.Password, ""},
		}},
		{comes, []login{
			{"by the service that comes with muxward", host.Alice, "127.0.5.12", host.Password, ""},
			{"not by that", host.Carol, "127.0.5.13", "x", `"mwcarol" in ("authenticate")`},
		}},
		{comes, []login{ // which look the same
			{"locked, by her password", host.Carol, "127.0.5.14", host.Password, `"mwcarol" in ("authenticate")`},
			{"locked, by another", host.Carol, "127.0.5.15", "x", `"mwcarol" in ("authenticate")`},
		}},
		{"auth optional pam_faildelay.so delay=600000000\n" + unix, []login{ // which is not waited for
			{"wrong, with a module that wants ten minutes", host.Bob, "127.0.5.16", "x", `"mwbob" in ("authenticate")`},
		}},
		{"auth required pam_unix.so\naccount required pam_unix.so\n", []login{
			{"a password that is longer than any", host.Alice, "127.0.5.17", strings.Repeat("x", 600), `"mwalice" in ("authenticate")`},
			{"none", host.Alice, "127.0.5.18", "", `"mwalice" in ("authenticate")`},
		}},
		{"account required pam_permit.so\n", []login{
			{"no line for auth", host.Alice, "127.0.5.19", host.Password, "has no line for auth"},
		}},
		{"auth required pam_unix.so\naccount required pam_nologin.so file=$BASE/nologin\n", []login{
			{"while nobody may come", host.Alice, "127.0.5.8", host.Password, "Come back later."},
		}},
		{"auth required pam_exec.so quiet expose_authtok /usr/bin/grep -q sesame\naccount required pam_permit.so\n", []login{
			{"by a program", host.Alice, "127.0.5.9", "open sesame", ""},
			{"refused by it", host.Bob, "127.0.5.10", "x", `"mwbob" in ("authenticate")`},
			{"root", "root", "127.0.5.11", "open sesame", "root does not come by a password"},
		}},
	} {
		h.WritePAM(group.stack)
		var all sync.WaitGroup
		for _, l := range group.logins {
			all.Go(func() {
				k := &host.Talk{From: l.from, Answers: []string{l.word}}
				c, err := h.DialPassword(l.user, k)
				if (err == nil) != (l.why == "") {
					t.Errorf("%s: %v", l.name, err)
				}
				if err == nil {
					_ = c.Close()
				}
				if k.Shown() != "Password: " && !strings.Contains(l.why, "no line") {
					t.Errorf("%s: was shown %q", l.name, k.Shown())
				}
			})
		}
		all.Wait()
		for _, l := range group.logins {
			if l.why != "" {
				passwordRefused(t, h, l.user, l.from, l.why)
			}
		}
	}
}

// passwordRefused waits until the log has that somebody was not let in, and why.
func passwordRefused(t *testing.T, h *host.Host, user, from, why string) {
	t.Helper()
	var e host.Event
	tmuxtest.Eventually(t, func() bool {
		events := h.Audit()
		i := slices.IndexFunc(events, func(e host.Event) bool { return e.Door == "ssh" && strings.HasPrefix(e.From, from+":") && !e.Allowed })
		if i >= 0 {
			e = events[i]
		}
		return i >= 0
	}, "%s from %s is in the log", user, from)
	if !strings.Contains(e.Reason, why) || e.Key != fmt.Sprintf("password of %q", user) || e.Person != "" {
		t.Errorf("%s: the log has %q %q %q, not %q", user, e.Reason, e.Key, e.Person, why)
	}
}

// TestSSHPasswordExpired: whose password has expired gives themselves another before they
// are let in, and hears why they are asked again.
func TestSSHPasswordExpired(t *testing.T) {
	t.Parallel()
	toy := host.Module(t, "../host/testdata/toy.c")
	h := host.Start(t, host.Config{PAM: fmt.Sprintf("auth required %[1]s $BASE/heard\naccount required %[1]s - mwalice\npassword required %[1]s\n", toy)})
	k := &host.Talk{Answers: []string{"good", "one", "two", "three", "three"}}
	c, err := h.DialPassword(host.Alice, k)
	if err != nil {
		t.Fatalf("%v; was shown %q", err, k.Shown())
	}
	defer c.Close()
	if want := "Deed: Your password has expired.\nNew password: Again: They are not the same.\nNew password: Again: "; k.Shown() != want {
		t.Errorf("was shown %q", k.Shown())
	}
	k = &host.Talk{From: "127.0.0.2", Answers: []string{"good", "one"}}
	if c, err := h.DialPassword(host.Alice, k); err == nil {
		_ = c.Close()
		t.Error("let in without another password")
	}
}

// TestSSHPasswordCrowd: so many people come at once, and all of them are let in.
func TestSSHPasswordCrowd(t *testing.T) {
	toy := host.Module(t, "../host/testdata/toy.c")
	people := "people:\n  mwalice: {}\n"
	guests := tmuxtest.Crowd(t, 10)
	for _, g := range guests {
		people += "  " + g.Name + ": {}\n"
	}
	h := host.Start(t, host.Config{Policy: map[string]string{"people.yaml": people},
		PAM: fmt.Sprintf("auth required %[1]s /dev/null\naccount required %[1]s\n", toy)})
	crowd := soak.N(200, 60)
	came := make(chan error, crowd)
	began := time.Now()
	for i := range crowd {
		go func() {
			c, err := h.DialPassword(guests[i%len(guests)].Name, &host.Talk{From: fmt.Sprintf("127.0.%d.%d", 1+i/200, 1+i%200), Answers: []string{"good"}})
			if err == nil {
				err = c.Close()
			}
			came <- err
		}()
	}
	for range crowd {
		if err := <-came; err != nil {
			t.Error(err)
		}
	}
	t.Logf("%d logins at once took %s", crowd, time.Since(began))
	defer func() {
		for _, e := range h.Audit() {
			if t.Failed() && e.Door == "ssh" && !e.Allowed {
				t.Logf("refused: %q", e.Reason)
			}
		}
	}()
	tmuxtest.Eventually(t, func() bool {
		in := 0
		for _, e := range h.Audit() {
			if e.Door == "ssh" && e.Allowed && e.Note == "let in by password" {
				in++
			}
		}
		return in == crowd
	}, "all of them were let in")
	tmuxtest.Eventually(t, func() bool { return len(h.PAMProcesses()) == 0 }, "no process is left")
}
