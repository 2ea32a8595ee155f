package grants

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base32"
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// A code is the number of an invite, which is no secret, and 80 bits of chance in
// letters that are hard to mistake for each other: 7-abcd-efgh-jkmn-pqrs.
const (
	secretBytes = 10
	groupLen    = 4
	alphabet    = "0123456789abcdefghjkmnpqrstvwxyz"
)

var letters = base32.NewEncoding(alphabet).WithPadding(base32.NoPadding)

// secretLen is how many letters a secret has.
const secretLen = secretBytes * 8 / 5

// Code is what somebody has who was invited. The zero Code opens nothing.
type Code struct {
	id     int64
	secret string
}

func newCode(id int64) Code {
	raw := make([]byte, secretBytes)
	_, _ = rand.Read(raw) // it never fails
	return Code{id, shortened(letters.EncodeToString(raw))}
}

// errNoCode is the error of what is not even written as a code is.
var errNoCode = errors.New("this is no code; one is written like 7-abcd-efgh-jkmn-pqrs")

// ParseCode reads a code as people write it: in capitals, too, and with blanks or
// nothing for the hyphens behind the number.
func ParseCode(text string) (Code, error) {
	if len(text) > 64 {
		return Code{}, errNoCode
	}
	number, rest, ok := strings.Cut(strings.ToLower(strings.TrimSpace(text)), "-")
	id, err := strconv.ParseInt(number, 10, 64)
	secret := strings.NewReplacer("-", "", " ", "", "o", "0", "i", "1", "l", "1").Replace(rest)
	if !ok || err != nil || id <= 0 || number != strconv.FormatInt(id, 10) || len(secret) != secretLen ||
		strings.Trim(secret, alphabet) != "" {
		return Code{}, errNoCode
	}
	return Code{id, secret}, nil
}

// Invite is the number of the invite that it says it is of.
func (c Code) Invite() int64 { return c.id }

// String hides the secret: what is printed by chance goes into logs.
func (c Code) String() string { return fmt.Sprintf("%d-...", c.id) }

// Text is the code as it is handed to people.
func (c Code) Text() string {
	var b strings.Builder
	fmt.Fprint(&b, c.id)
	for i := 0; i < len(c.secret); i += groupLen {
		b.WriteString("-" + c.secret[i:min(i+groupLen, len(c.secret))])
	}
	return b.String()
}

// lock is what is kept of a secret: nobody who reads it can tell the secret.
type lock struct {
	Salt digest `json:"salt"`
	Sum  digest `json:"sum"`
}

func lockFor(c Code) lock {
	var l lock
	_, _ = rand.Read(l.Salt[:]) // it never fails
	l.Sum = l.sum(c)
	return l
}

// sum is keyed by the lock, and says of which invite it is. The secret has so much
// chance in it that it need not take long.
func (l *lock) sum(c Code) digest {
	h := hmac.New(sha256.New, l.Salt[:])
	fmt.Fprintf(h, "muxward invite %d %s", c.id, c.secret)
	return kept(c, digest(h.Sum(nil)))
}

// opens reports whether a code is the one of the lock. How long that takes tells
// nothing of the secret.
func (l *lock) opens(c Code) bool {
	sum := l.sum(c)
	return hmac.Equal(sum[:], l.Sum[:])
}
