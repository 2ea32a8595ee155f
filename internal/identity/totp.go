package identity

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base32"
	"encoding/hex"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/pquerna/otp"
	"github.com/pquerna/otp/hotp"
	"golang.org/x/crypto/ssh"
)

const (
	// stepTime is how long a code stands for, and nearSteps for how many steps before and
	// behind ours a clock may be.
	stepTime  = 30 * time.Second
	nearSteps = 1
	// minSecret and maxSecret bound a secret in bytes (RFC 4226 wants 16).
	minSecret = 16
	maxSecret = 64
	// tryCost is what a wrong code costs its person, in waiting, and freeTries how many
	// may be open before they have to wait. That is 720 tries a day, and ten more for
	// each start of muxward, of a million codes, three of which are right at any time.
	tryCost   = 2 * time.Minute
	freeTries = 10
	// alarmEvery is how often it is told that somebody has to wait.
	alarmEvery = time.Hour
)

// TOTPKeys are people's secrets for codes that change with the time (RFC 6238). It is
// immutable: a change is a new one.
type TOTPKeys struct{ of map[string]string }

// ParseTOTPKeys reads a list with a person and their secret in base32 on each line;
// empty lines and comments are passed over. A list that is empty, or breaks off within a
// line, may be one that is just being written: it takes nobody's secret away. Nobody has
// another's secret: a code would be taken twice. What is wrong is told with its place,
// never with what stands there, and then there are no secrets.
func ParseTOTPKeys(data []byte, file string) (*TOTPKeys, error) {
	t := &TOTPKeys{of: map[string]string{}}
	whose := map[string]string{}
	switch {
	case len(data) == 0:
		return nil, fmt.Errorf("%s is empty; if nobody is to have a second factor, write a comment into it", file)
	case data[len(data)-1] != '\n':
		return nil, fmt.Errorf("the last line of %s does not end: it may be just being written", file)
	}
	err := eachLine(data, file, func(_, text string) error {
		words := strings.Fields(text)
		if len(words) != 2 {
			return errors.New("a line is a person and their secret in base32")
		}
		person, secret := words[0], words[1]
		if _, err := CanonicalName(person); err != nil {
			return errors.New("the first word is no name of a person")
		}
		raw, err := base32.StdEncoding.WithPadding(base32.NoPadding).DecodeString(secret)
		switch {
		case err != nil:
			return fmt.Errorf("the secret of %s is not in base32: capital letters and 2 to 7", person)
		case len(raw) < minSecret || len(raw) > maxSecret:
			return fmt.Errorf("the secret of %s has %d bytes; it has to be %d to %d", person, len(raw), minSecret, maxSecret)
		case t.of[person] != "":
			return fmt.Errorf("%s has two secrets", person)
		}
		if other := whose[string(raw)]; other != "" {
			return fmt.Errorf("the secret of %s is that of %s, too", person, other)
		}
		t.of[person], whose[string(raw)] = secret, person
		return nil
	})
	if err != nil {
		return nil, err
	}
	return t, nil
}

// People are those who have a secret.
func (t *TOTPKeys) People() []string {
	var out []string
	for person := range t.of {
		out = append(out, person)
	}
	return out
}

// Codes asks people for a code of their TOTP secret: six digits, SHA-1, of 30 seconds,
// which is what all authenticators make. Each code is taken once. It is safe for use
// by several goroutines.
type Codes struct {
	// Keys gives the secrets that are in force now.
	Keys func() *TOTPKeys
	// Now is the clock.
	Now func() time.Time
	// Dir is where it is kept which codes were used.
	Dir string
	// Complain, if set, is told that so many codes of somebody were wrong that they have
	// to wait: their key may be somebody else's, too.
	Complain func(what string)

	mu sync.Mutex
	of map[string]*tries
}

// tries are one person's.
type tries struct {
	mu     sync.Mutex
	loaded bool
	last   uint64    // the step of the last code that was taken
	until  time.Time // what is to be paid for wrong ones
	told   time.Time // when it was last that they have to wait
}

// Of tells one secret of a person from another.
func (c *Codes) Of(person string) string {
	secret := c.Keys().of[person]
	if secret == "" {
		return ""
	}
	sum := sha256.Sum256([]byte("muxward totp " + secret))
	return hex.EncodeToString(sum[:])
}

// Ask asks a person for a code.
func (c *Codes) Ask(person string, challenge ssh.KeyboardInteractiveChallenge) error {
	answers, err := challenge("", "", []string{"Code: "}, []bool{false})
	if err != nil {
		return fmt.Errorf("it was not answered: %w", err)
	}
	return c.check(person, strings.ReplaceAll(answers[0], " ", ""))
}

// Errors of codes. Whoever sends one hears the same of all of them.
var (
	errWrongCode = errors.New("the code is wrong")
	errUsedCode  = errors.New("the code was used, or is older than one that was")
	errTooMany   = errors.New("too many codes were wrong; no code is taken for a while")
)

// check takes a code, once, and tells of those who guess.
func (c *Codes) check(person, code string) error {
	t := c.triesOf(person)
	err := c.take(t, person, code)
	if c.Complain != nil && t.alarms() {
		c.Complain("second factors: too many codes of " + person + " were wrong; somebody may have their key, and guess")
	}
	return err
}

// take is check by one after the other. A wrong code is as long on its way as one that
// was used.
func (c *Codes) take(t *tries, person, code string) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	now := c.Now()
	path := filepath.Join(c.Dir, person)
	if !t.loaded {
		t.last, t.loaded = lastUsed(path, stepAt(now)+nearSteps), true
	}
	step, err := c.match(person, code, stepAt(now))
	if err != nil {
		return err
	}
	switch {
	case tooMany(t.waits()):
		return errTooMany
	case step == 0:
		t.pay()
		return errWrongCode
	case !unused(step, t.last):
		t.pay()
		return errUsedCode
	}
	if err := keepUsed(path, step); err != nil {
		return fmt.Errorf("it cannot be kept that the code was used: %w", err)
	}
	t.last = step
	return nil
}

// waits reports whether all free tries are used up; t.mu is held.
func (t *tries) waits() bool { return time.Until(t.until) > (freeTries-1)*tryCost }

// alarms reports whether it is to be told that the person has to wait.
func (t *tries) alarms() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.waits() || !t.told.IsZero() && time.Since(t.told) < alarmEvery {
		return false
	}
	t.told = time.Now()
	return true
}

// pay has the person wait for a wrong code; t.mu is held.
func (t *tries) pay() {
	now := time.Now()
	if t.until.Before(now) {
		t.until = now
	}
	t.until = t.until.Add(tryCost)
}

func (c *Codes) triesOf(person string) *tries {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.of == nil {
		c.of = map[string]*tries{}
	}
	if c.of[person] == nil {
		c.of[person] = &tries{} // only people with a secret are asked: there are not many
	}
	return c.of[person]
}

func stepAt(t time.Time) uint64 { return uint64(t.Unix()) / uint64(stepTime.Seconds()) }

// match gives the step of which a code is, or 0. It takes as long for any.
func (c *Codes) match(person, code string, now uint64) (uint64, error) {
	found := uint64(0)
	for _, secret := range secretsOf(c.Keys(), person) {
		for step := now - nearSteps; step <= now+nearSteps; step++ {
			want, err := hotp.GenerateCodeCustom(secret, step, hotp.ValidateOpts{Digits: otp.DigitsSix, Algorithm: otp.AlgorithmSHA1})
			if err != nil {
				return 0, fmt.Errorf("make the code of %s: %w", person, err)
			}
			if subtle.ConstantTimeCompare([]byte(want), []byte(code)) == 1 {
				found = step
			}
		}
	}
	return found, nil
}
