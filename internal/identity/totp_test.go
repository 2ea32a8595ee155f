package identity

import (
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pquerna/otp/hotp"
	"golang.org/x/crypto/ssh"
)

const (
	aliceSecret = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ" // that of RFC 6238
	bobSecret   = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"
)

func mustTOTP(t testing.TB, text string) *TOTPKeys {
	t.Helper()
	k, err := ParseTOTPKeys([]byte(text), "totp")
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// newCodes are codes of a list that can be changed, at a time that can be.
func newCodes(t testing.TB, text, dir string, now *time.Time) (*Codes, *atomic.Pointer[TOTPKeys]) {
	t.Helper()
	var list atomic.Pointer[TOTPKeys]
	list.Store(mustTOTP(t, text))
	return &Codes{Keys: list.Load, Now: func() time.Time { return *now }, Dir: dir}, &list
}

// codeOf is the code of a secret some steps from a time.
func codeOf(t testing.TB, secret string, now time.Time, steps int) string {
	t.Helper()
	code, err := hotp.GenerateCode(secret, uint64(int64(stepAt(now))+int64(steps)))
	if err != nil {
		t.Fatal(err)
	}
	return code
}

// TestCodesOfTime: the codes are those of RFC 6238, a clock may be one step off, and a
// code is taken once, as is none that is older.
func TestCodesOfTime(t *testing.T) {
	now := time.Unix(59, 0)
	c, _ := newCodes(t, "alice "+aliceSecret+"\nbob "+bobSecret+"\n", t.TempDir(), &now)
	if err := c.check("alice", "287082"); err != nil {
		t.Errorf("the code of the RFC: %v", err)
	}
	now = noon
	for _, x := range []struct {
		steps int
		want  error
	}{{-2, errWrongCode}, {2, errWrongCode}, {-1, nil}, {-1, errUsedCode}, {1, nil}, {0, errUsedCode}, {1, errUsedCode}} {
		if err := c.check("alice", codeOf(t, aliceSecret, now, x.steps)); !errors.Is(err, x.want) {
			t.Errorf("the code of %+d steps: %v, want %v", x.steps, err, x.want)
		}
	}
	for _, code := range []string{"", "0", "00000000", codeOf(t, aliceSecret, now, 0), "\x00" + codeOf(t, bobSecret, now, 0)} {
		if err := c.check("bob", code); !errors.Is(err, errWrongCode) {
			t.Errorf("bob says %q: %v", code, err)
		}
	}
	if err := c.check("carol", codeOf(t, "", now, 0)); !errors.Is(err, errWrongCode) {
		t.Errorf("somebody without a secret: %v", err)
	}
	if err := c.check("bob", codeOf(t, bobSecret, now, 0)); err != nil {
		t.Errorf("bob waits for alice: %v", err)
	}
}

// TestUsedCodeKept: a code that was used stays used when muxward starts anew. Where it
// cannot be told which was, none is taken that may have been; where it cannot be
// kept, none is taken at all.
func TestUsedCodeKept(t *testing.T) {
	now, dir := noon, filepath.Join(t.TempDir(), "used")
	again := func() *Codes {
		c, _ := newCodes(t, "alice "+aliceSecret+"\n", dir, &now)
		return c
	}
	code := codeOf(t, aliceSecret, now, 0)
	if err := again().check("alice", code); err != nil {
		t.Fatal(err)
	}
	if err := again().check("alice", code); !errors.Is(err, errUsedCode) {
		t.Errorf("after a start: %v", err)
	}
	file := filepath.Join(dir, "alice")
	for _, text := range []string{"", "12", "x\n", "0000000000000000000\n", "00000000000000000001"} {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		c := again()
		if err := c.check("alice", codeOf(t, aliceSecret, now, 1)); !errors.Is(err, errUsedCode) {
			t.Errorf("with %q kept: %v", text, err)
		}
		now = now.Add(3 * stepTime)
		if err := c.check("alice", codeOf(t, aliceSecret, now, 0)); err != nil {
			t.Errorf("with %q kept, later: %v", text, err)
		}
		now = now.Add(3 * stepTime)
	}
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(file, 0o700); err != nil {
		t.Fatal(err)
	}
	now = now.Add(3 * stepTime)
	c := again()
	_ = c.check("alice", codeOf(t, aliceSecret, now, 1)) // it cannot be told which was used
	now = now.Add(3 * stepTime)
	if err := c.check("alice", codeOf(t, aliceSecret, now, 0)); err == nil || errors.Is(err, errUsedCode) {
		t.Errorf("it cannot be kept: %v", err)
	}
}

// TestCodeOnce: of many who say the same code at once, one comes in.
func TestCodeOnce(t *testing.T) {
	now := noon
	c, _ := newCodes(t, "alice "+aliceSecret+"\n", t.TempDir(), &now)
	code := codeOf(t, aliceSecret, now, 0)
	var in atomic.Int32
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			if c.check("alice", code) == nil {
				in.Add(1)
			}
		})
	}
	all.Wait()
	if in.Load() != 1 {
		t.Errorf("%d came in by one code", in.Load())
	}
}

// TestTriesArePaced: who guesses has to wait, also with the right code, and nobody else
// does. What was right costs nothing.
func TestTriesArePaced(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		now := noon
		c, _ := newCodes(t, "alice "+aliceSecret+"\nbob "+bobSecret+"\n", dir, &now)
		var alarms []string
		c.Complain = func(what string) { alarms = append(alarms, what) }
		for range 3 * freeTries {
			now = now.Add(stepTime)
			if err := c.check("alice", codeOf(t, aliceSecret, now, 0)); err != nil {
				t.Fatal(err)
			}
		}
		guessed := func(n int) (looked int) {
			for range n {
				if err := c.check("alice", "x"); errors.Is(err, errWrongCode) {
					looked++
				}
			}
			return looked
		}
		guessed(freeTries - 1)
		if len(alarms) > 0 {
			t.Errorf("some mistakes, and there is alarm: %q", alarms)
		}
		if n := freeTries - 1 + guessed(100); n != freeTries {
			t.Errorf("of 100 guesses %d were looked at, want %d", n, freeTries)
		}
		now = now.Add(stepTime)
		if err := c.check("alice", codeOf(t, aliceSecret, now, 0)); !errors.Is(err, errTooMany) {
			t.Errorf("the right code behind them: %v", err)
		}
		if err := c.check("bob", codeOf(t, bobSecret, now, 0)); err != nil {
			t.Errorf("bob has to wait for it: %v", err)
		}
		if len(alarms) != 1 || !strings.Contains(alarms[0], "alice") {
			t.Errorf("told of who guesses: %q", alarms)
		}
		time.Sleep(10 * tryCost)
		if n := guessed(100); n != freeTries {
			t.Errorf("after a while %d are looked at, want %d", n, freeTries)
		}
		time.Sleep(tryCost)
		if err := c.check("alice", codeOf(t, aliceSecret, now, 0)); err != nil {
			t.Errorf("the right code after a while: %v", err)
		}
		for range 4 * int(alarmEvery/tryCost) {
			guessed(1)
			time.Sleep(tryCost)
		}
		if n := len(alarms); n != 5 {
			t.Errorf("four hours more have %d alarms in all", n)
		}
	})
}

// TestParseTOTPKeys: a list with a mistake is not taken, and no secret is told.
func TestParseTOTPKeys(t *testing.T) {
	good := "# people\n\nalice " + aliceSecret + "\n  bob\t" + bobSecret + "\n"
	if k := mustTOTP(t, good); len(k.of) != 2 || k.of["bob"] != bobSecret {
		t.Errorf("%+v", k.of)
	}
	for _, bad := range []string{
		"", "alice " + aliceSecret, "alice\n", "alice " + aliceSecret + " sha256\n", "Alice " + aliceSecret + "\n",
		"alice GEZDGNBVGY3TQOJQ\n", "alice " + strings.ToLower(aliceSecret) + "\n", "alice " + aliceSecret[1:] + "=\n",
		"alice " + strings.Repeat(aliceSecret, 4) + "\n", "alice " + aliceSecret + "\nalice " + bobSecret + "\n",
		"alice " + aliceSecret + "\nbob " + aliceSecret + "\n",
	} {
		_, err := ParseTOTPKeys([]byte(bad), "totp")
		if err == nil || !strings.Contains(err.Error(), "totp") || strings.Contains(strings.ToUpper(err.Error()), "GEZDG") {
			t.Errorf("%q: %v", bad, err)
		}
	}
}

// saying answers with what say gives when it is asked.
func saying(say func() string) ssh.AuthMethod {
	return ssh.KeyboardInteractive(func(_, _ string, questions []string, echos []bool) ([]string, error) {
		if len(questions) == 0 {
			return nil, nil
		}
		if len(questions) != 1 || echos[0] {
			return nil, fmt.Errorf("asked %q, shown %v", questions, echos)
		}
		return []string{say()}, nil
	})
}

// TestSecondFactor: who has a second factor comes in by their key and by that, and by
// neither alone; who has none comes by their key and is not asked. What the key
// is worth is looked at once more when the code is there.
func TestSecondFactor(t *testing.T) {
	w := newWorld(t, "", "", nil)
	codes, list := newCodes(t, "alice "+aliceSecret+"\nbob "+bobSecret+"\n", t.TempDir(), &w.now)
	var told []string
	var table atomic.Pointer[SSHKeys]
	table.Store(w.table)
	gone, wrong := NewSSHKeys(nil, nil, nil, w.table.isPerson)
	if len(wrong) > 0 {
		t.Fatal(wrong)
	}
	w.prover.Keys = table.Load
	w.prover.Second = codes
	w.prover.Refused = func(_ net.Addr, _ string, _ bool, why error) { told = append(told, why.Error()) }
	asked := 0
	w.prover.Asking = func(person, _ string) error {
		if asked++; person != "alice" {
			return errors.New("asks " + person)
		}
		return nil
	}
	say := func(text string) ssh.AuthMethod { return saying(func() string { return text }) }
	code := func(steps int) string { return codeOf(t, aliceSecret, w.now, steps) }
	key := ssh.PublicKeys(w.alice)
	used := code(-1)
	who, pr, err := w.login(t, "alice", key, say(used))
	if err != nil || who.Person() != "alice" || !who.MFA() || !who.Subject().MFA || !strings.HasSuffix(who.Key(), ", and a second factor") {
		t.Fatalf("alice is %+v (%s): %v", who.Subject(), who.Key(), err)
	}
	if now, err := w.prover.Stands(t.Context(), pr); err != nil || now.second != pr.second {
		t.Errorf("it stands as %+v: %v", now, err)
	}
	if who, _, err := w.login(t, "alice", key, say(used)); err == nil {
		t.Errorf("a used code makes %q", who.Person())
	}
	for what, auth := range map[string][]ssh.AuthMethod{
		"the key alone":      {key},
		"the code alone":     {say(code(0))},
		"a wrong code":       {key, say("x")},
		"a code of bob's":    {key, say(codeOf(t, bobSecret, w.now, 0))},
		"another key":        {ssh.PublicKeys(w.other), say(code(0))},
		"a password":         {key, ssh.Password(code(0))},
		"a key gone by then": {key, saying(func() string { table.Store(gone); return code(0) })},
		"a secret gone by then": {key, saying(func() string {
			list.Store(mustTOTP(t, "bob "+bobSecret+"\n"))
			return codeOf(t, "", w.now, 0)
		})},
		"another secret by then": {key, saying(func() string {
			list.Store(mustTOTP(t, "alice "+bobSecret+"\n"))
			return codeOf(t, bobSecret, w.now, 0)
		})},
	} {
		if who, _, err := w.login(t, "alice", auth...); err == nil || !who.IsNobody() {
			t.Errorf("%s makes %q: %v", what, who.Person(), err)
		}
		table.Store(w.table)
		list.Store(mustTOTP(t, "alice "+aliceSecret+"\nbob "+bobSecret+"\n"))
		w.now = w.now.Add(4 * stepTime) // what was used in one is used in no other
	}
	if text := strings.Join(told, "\n"); !strings.Contains(text, "the second factor of alice: the code is wrong") ||
		!strings.Contains(text, "the second factor of alice: the code was used") || strings.Contains(text, "bob") {
		t.Errorf("told:\n%s", text)
	}
	list.Store(mustTOTP(t, "alice "+bobSecret+"\n"))
	if _, err := w.prover.Stands(t.Context(), pr); err == nil {
		t.Error("who came by a code stands when their secret is another")
	}
	list.Store(mustTOTP(t, "# nobody\n"))
	before := asked
	who, pr, err = w.login(t, "alice", key, say("x"))
	if err != nil || who.MFA() || asked != before {
		t.Errorf("without a second factor alice is %+v, asked %d times: %v", who.Subject(), asked-before, err)
	}
	list.Store(mustTOTP(t, "alice "+aliceSecret+"\n"))
	if _, err := w.prover.Stands(t.Context(), pr); err != nil {
		t.Errorf("who came in before has to go: %v", err)
	}
	w.prover.Asking = func(string, string) error { return errors.New("too many") }
	if who, _, err := w.login(t, "alice", key, say(code(0))); err == nil || !strings.Contains(told[len(told)-1], "too many") {
		t.Errorf("who is not to be asked is %q: %v", who.Person(), err)
	}
}

func FuzzParseTOTPKeys(f *testing.F) {
	f.Add("# x\nalice " + aliceSecret + "\n")
	f.Fuzz(func(t *testing.T, text string) {
		k, err := ParseTOTPKeys([]byte(text), "f")
		if err == nil && k.of[""] != "" {
			t.Errorf("%q: nobody has a secret", text)
		}
	})
}
