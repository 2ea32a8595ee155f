package identity

import (
	"bytes"
	"errors"
	"fmt"
	"math/big"
	"net/netip"
	"path"
	"slices"
	"strings"
	"time"

	"golang.org/x/crypto/ssh"
)

// MaxKeysFile bounds one file of keys or of people's secrets, in bytes: who reads one for
// us reads no more.
const MaxKeysFile = 1 << 20

// maxKeyLine is the longest line of a key that is read, in bytes.
const maxKeyLine = 16 << 10

// SSHKey is a public key as a list of keys has it: whose it is, and under which
// conditions it proves them. It is immutable.
type SSHKey struct {
	person string
	where  string
	key    ssh.PublicKey
	limits sshLimits
	own    bool // its person has listed it
}

// sshLimits are the conditions of one key.
type sshLimits struct {
	from []fromPattern // nil: from everywhere
	// fromText is from= as it is written.
	fromText string
	expires  time.Time // zero: never
	noPTY    bool
	noPorts  bool // no forwarding of ports, or of sockets
	noAgent  bool
}

// Person is whose key it is, "" for an authority's.
func (k *SSHKey) Person() string { return k.person }

// Where says in which file and line the key stands.
func (k *SSHKey) Where() string { return k.where }

// Fingerprint is the key's SHA-256, as ssh-keygen prints it.
func (k *SSHKey) Fingerprint() string { return ssh.FingerprintSHA256(k.key) }

// ParseSSHKey reads one line in the form of authorized_keys, with the options
// from=, expiry-time=, restrict, pty, no-pty, those about forwarding, and those that
// only take away what is not offered anyway. What asks for more than can be kept, such as command=
// or verify-required, is refused by name: a condition that is not understood is
// not dropped.
func ParseSSHKey(line, person, where string) (*SSHKey, error) {
	if len(line) > maxKeyLine {
		return nil, fmt.Errorf("a key's line has more than %d bytes", maxKeyLine)
	}
	if strings.ContainsAny(line, "\n\r\x00") {
		return nil, errors.New("a key is one line")
	}
	key, _, options, rest, err := ssh.ParseAuthorizedKey([]byte(line))
	if err != nil {
		return nil, errors.New("no public key is in this line; write it as in a .pub file: ssh-ed25519 AAAA... comment")
	}
	if len(bytes.TrimSpace(rest)) > 0 {
		return nil, errors.New("a key is one line")
	}
	if _, is := key.(*ssh.Certificate); is {
		return nil, errors.New("this is a certificate; list the key of its authority among the authorities, or the plain key here")
	}
	if err := strong(key); err != nil {
		return nil, err
	}
	k := &SSHKey{person: person, where: where, key: key}
	seen := map[string]bool{}
	for _, o := range options {
		name, value, given := strings.Cut(o, "=")
		name = strings.ToLower(name)
		if seen[name] {
			return nil, fmt.Errorf("the option %s is given twice", name)
		}
		seen[name] = true
		if err := k.limits.option(name, value, given); err != nil {
			return nil, err
		}
	}
	return k, nil
}

// option takes one option over.
func (l *sshLimits) option(name, value string, given bool) (err error) {
	switch name {
	case "from", "expiry-time":
		if value, err = unquote(value); err != nil || !given {
			return fmt.Errorf("write the option as %s=\"...\"", name)
		}
		if name == "from" {
			l.fromText = value
			l.from, err = parseFrom(value)
		} else {
			l.expires, err = parseExpiry(value)
		}
		return err
	case "restrict":
		l.noPTY, l.noPorts, l.noAgent = true, true, true
	case "no-pty":
		l.noPTY = true
	case "pty":
		l.noPTY = false
	case "no-port-forwarding":
		l.noPorts = true
	case "port-forwarding":
		l.noPorts = false
	case "no-agent-forwarding":
		l.noAgent = true
	case "agent-forwarding":
		l.noAgent = false
	case "no-x11-forwarding", "no-user-rc":
		// None of it is offered.
	case "command":
		return errors.New("the option command= is not taken: what somebody may do is for the policy to say; remove the option")
	case "verify-required":
		return errors.New("the option verify-required cannot be checked here, so this key is not taken; remove the option, or the key")
	case "no-touch-required":
		return errors.New("the option no-touch-required is not taken: a key that can ask for a touch has to")
	case "cert-authority":
		return errors.New("the option cert-authority is not taken here: list the key among the authorities (ssh: authorities:)")
	default:
		return fmt.Errorf("the option %.40q is not known, so this key is not taken; the options are from=, expiry-time=, restrict, pty, no-pty, port-forwarding, no-port-forwarding, agent-forwarding, no-agent-forwarding", name)
	}
	if given {
		return fmt.Errorf("the option %s takes no value", name)
	}
	return nil
}

// SSHSignatures are the kinds of signatures that prove anything, of people and of
// authorities: none rests on SHA-1.
func SSHSignatures() []string {
	return []string{
		ssh.KeyAlgoED25519, ssh.KeyAlgoSKED25519, ssh.KeyAlgoSKECDSA256,
		ssh.KeyAlgoECDSA256, ssh.KeyAlgoECDSA384, ssh.KeyAlgoECDSA521,
		ssh.KeyAlgoRSASHA256, ssh.KeyAlgoRSASHA512,
	}
}

// strong refuses kinds of keys that prove little today.
func strong(key ssh.PublicKey) error {
	switch kind := key.Type(); {
	case kind == ssh.KeyAlgoRSA:
		if bits := rsaBits(key); bits < 2048 {
			return fmt.Errorf("an RSA key of %d bits is too short; use ssh-keygen -t ed25519", bits)
		}
		return nil
	case slices.Contains(SSHSignatures(), kind):
		return nil
	}
	return fmt.Errorf("keys of the kind %.40q are not taken; use ssh-keygen -t ed25519", key.Type())
}

// rsaBits is the length of an RSA key's modulus.
func rsaBits(key ssh.PublicKey) int {
	var w struct {
		Name string
		E, N *big.Int
	}
	if ssh.Unmarshal(key.Marshal(), &w) != nil {
		return 0
	}
	return w.N.BitLen()
}

// unquote gives what stands between the quotes of an option's value.
func unquote(s string) (string, error) {
	if len(s) < 3 || s[0] != '"' || s[len(s)-1] != '"' || strings.ContainsAny(s[1:len(s)-1], `"\`) {
		return "", errors.New("not quoted")
	}
	return s[1 : len(s)-1], nil
}

// fromPattern is one part of from=: addresses that may come, or must not.
type fromPattern struct {
	not    bool
	prefix netip.Prefix
	glob   string // if it has a star or question mark
}

// parseFrom reads a list of addresses, networks and patterns, as of sshd(8).
// Names of hosts are refused: who answers for a name is not who comes.
func parseFrom(s string) ([]fromPattern, error) {
	var out []fromPattern
	for part := range strings.SplitSeq(s, ",") {
		var p fromPattern
		part, p.not = strings.CutPrefix(part, "!")
		addr, aerr := netip.ParseAddr(part)
		prefix, perr := netip.ParsePrefix(part)
		switch {
		case aerr == nil && addr.Zone() == "":
			addr = addr.Unmap()
			p.prefix = netip.PrefixFrom(addr, addr.BitLen())
		case perr == nil && prefix == prefix.Masked() && !prefix.Addr().Is4In6():
			p.prefix = prefix
		case strings.ContainsAny(part, "*?") && strings.Trim(part, "0123456789abcdefABCDEF:.*?") == "":
			p.glob = strings.ToLower(part)
		default:
			return nil, fmt.Errorf("from= has %.64q, which is no address, network (such as 10.0.0.0/8) or pattern of one; names of hosts are not looked up", part)
		}
		out = append(out, p)
	}
	return out, nil
}

// comes reports whether somebody may come from an address. As with sshd, what is
// excluded anywhere in the list is excluded.
func comes(patterns []fromPattern, from netip.Addr) bool {
	if patterns == nil {
		return true
	}
	from = from.Unmap().WithZone("")
	in := false
	for _, p := range patterns {
		hit := p.prefix.IsValid() && p.prefix.Contains(from)
		if p.glob != "" {
			hit, _ = path.Match(p.glob, from.String()) // the pattern's characters are plain
		}
		if hit && p.not {
			return false
		}
		in = in || hit
	}
	return in
}

// parseExpiry reads YYYYMMDD[Z] or YYYYMMDDHHMM[SS][Z], in local time but for a Z.
func parseExpiry(s string) (time.Time, error) {
	digits, utc := strings.CutSuffix(s, "Z")
	where := time.Local
	if utc {
		where = time.UTC
	}
	layout := map[int]string{8: "20060102", 12: "200601021504", 14: "20060102150405"}[len(digits)]
	t, err := time.ParseInLocation(layout, digits, where)
	if layout == "" || err != nil {
		return time.Time{}, fmt.Errorf("expiry-time=%.32q is no moment; write it as 20270131 or 202701311800, with a Z at the end for UTC", s)
	}
	return t, nil
}

// ParseSSHKeys reads a file of such lines; empty ones and comments are passed
// over. All that is wrong is told, each with its place, and then there are no
// keys: of a list that is half understood, nothing is taken.
func ParseSSHKeys(data []byte, person, file string) ([]*SSHKey, error) {
	var keys []*SSHKey
	err := eachLine(data, file, func(where, text string) error {
		k, err := ParseSSHKey(text, person, where)
		if err == nil {
			keys = append(keys, k)
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	return keys, nil
}

// ParseAccountKeys reads an account's own authorized_keys. They were written for sshd,
// too, so a line that asks for what is not kept here costs its key and no other; but
// that key is not taken from any other line either. wrong tells of them.
//
// Whoever has an account may write that file: how much of it is read is bounded, and how
// much is told of it.
func ParseAccountKeys(data []byte, person, file string) (keys []*SSHKey, wrong error) {
	bad := 0
	if n := countLines(data); n > maxAccountLines {
		return nil, fmt.Errorf("%s has %d lines, and more than %d are not read: none of its keys is taken", file, n, maxAccountLines)
	}
	refused := map[string]bool{}
	wrong = eachLine(data, file, func(where, text string) error {
		k, err := ParseSSHKey(text, person, where)
		if err == nil {
			k.own = true
			keys = append(keys, k)
		} else if key, _, _, _, perr := ssh.ParseAuthorizedKey([]byte(text)); perr == nil {
			refused[string(key.Marshal())] = true
		}
		if err == nil {
			return nil
		}
		if bad++; bad > maxToldOwn {
			return nil
		}
		return err
	})
	if bad > maxToldOwn {
		wrong = fmt.Errorf("%w\n%s: and %d lines more", wrong, file, bad-maxToldOwn)
	}
	return slices.DeleteFunc(keys, func(k *SSHKey) bool { return refused[string(k.key.Marshal())] }), wrong
}

const (
	// maxAccountLines is how many lines of an account's own file are read.
	maxAccountLines = 1000
	// maxToldOwn is how many mistakes are told of what people write for themselves.
	maxToldOwn = 5
)

// countLines counts what [eachLine] gives.
func countLines(data []byte) (n int) {
	for line := range bytes.Lines(data) {
		if line = bytes.TrimSpace(line); len(line) > 0 && line[0] != '#' {
			n++
		}
	}
	return n
}

// eachLine has take read each line of a file but empty ones and comments, and tells
// all that it finds wrong, each with its place.
func eachLine(data []byte, file string, take func(where, text string) error) error {
	var wrong []error
	n := 0
	for line := range bytes.Lines(data) {
		n++
		text := strings.TrimSpace(string(line))
		if text == "" || text[0] == '#' {
			continue
		}
		where := fmt.Sprintf("%s:%d", file, n)
		if err := take(where, text); err != nil {
			wrong = append(wrong, fmt.Errorf("%s: %w", where, err))
		}
	}
	return errors.Join(wrong...)
}
