package sshd

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/muxward/muxward/internal/access"
	"github.com/muxward/muxward/internal/gateway"
	"github.com/muxward/muxward/internal/identity"
	"github.com/muxward/muxward/internal/reach"
)

// Wanted is something that somebody would ask for besides tmux.
type Wanted struct{ w wanted }

// Wants reads from a command line of OpenSSH's client what it would ask for besides tmux:
// -L, -W, -R, -A and -s; and of sftp and scp that they ask for sftp.
func Wants(argv []string) (out []Wanted, err error) {
	if name := filepath.Base(argv[0]); name != "ssh" {
		return []Wanted{{wanted{what: "subsystem", name: sftp, verb: access.Subsystem, ask: reach.Ask{Kind: reach.Subsystem}}}}, nil
	}
	for i := 1; i < len(argv); i++ {
		word := argv[i]
		if len(word) < 2 || word[0] != '-' || word == "--" {
			break // a host
		}
		letter, value := word[1], word[2:]
		if strings.IndexByte("LWRs", letter) >= 0 && value == "" {
			if i++; i == len(argv) {
				return nil, fmt.Errorf("ssh -%c: its value is missing", letter)
			}
			value = argv[i]
		}
		w, err := wants(letter, value)
		if err != nil {
			return nil, fmt.Errorf("ssh %s: %w", word, err)
		}
		out = append(out, Wanted{w})
	}
	if len(out) == 0 {
		return nil, errors.New("nothing is asked for besides tmux; give -L, -W, -R, -A or -s NAME, as to ssh")
	}
	return out, nil
}

func wants(letter byte, value string) (w wanted, err error) {
	switch letter {
	case 'A':
		return wanted{what: agentRequest, verb: access.Agent, ask: reach.Ask{Kind: reach.Agent}}, nil
	case 's':
		return wanted{what: "subsystem", name: value, verb: access.Subsystem, ask: reach.Ask{Kind: reach.Subsystem}}, nil
	case 'L', 'W':
		parts := forwardParts(value)
		to := strings.Join(parts[max(0, len(parts)-2):], ":")
		if last := parts[len(parts)-1]; strings.HasPrefix(last, "/") {
			return wanted{what: directSocket, verb: access.Forward, ask: reach.Ask{Kind: reach.Connect, Path: last}}, nil
		}
		port, errPort := strconv.ParseUint(parts[len(parts)-1], 10, 16)
		if len(parts) < 2 || errPort != nil || port == 0 {
			return w, fmt.Errorf("%.80q names no host and port to connect to", to)
		}
		host := strings.Trim(parts[len(parts)-2], "[]")
		return wanted{what: directTCP, verb: access.Forward, ask: reach.Ask{Kind: reach.Connect, Host: host, Port: uint16(port)}}, nil
	case 'R':
		parts := forwardParts(value)
		if strings.HasPrefix(parts[0], "/") {
			return wanted{what: forwardSocket, verb: access.Listen, ask: reach.Ask{Kind: reach.Listen, Path: parts[0]}}, nil
		}
		host, at := "localhost", parts[0]
		if len(parts) == 4 || len(parts) == 2 && !strings.HasPrefix(parts[1], "/") { // BIND:PORT, with where it goes to or not
			host, at = strings.Trim(parts[0], "[]"), parts[1]
		}
		addr, ok := bindAddr(host)
		port, errPort := strconv.ParseUint(at, 10, 16)
		if !ok || errPort != nil {
			return w, fmt.Errorf("%.80q names no address and port to listen at", value)
		}
		return wanted{what: forwardTCP, verb: access.Listen, ask: reach.Ask{Kind: reach.Listen, Addr: addr, Port: uint16(port)}}, nil
	}
	return w, errors.New("it asks for nothing that muxward decides besides tmux; what does is -L, -W, -R, -A and -s")
}

// forwardParts splits at colons that are in no brackets.
func forwardParts(text string) (parts []string) {
	depth, from := 0, 0
	for i := range len(text) {
		switch text[i] {
		case '[':
			depth++
		case ']':
			depth--
		case ':':
			if depth == 0 {
				parts = append(parts, text[from:i])
				from = i + 1
			}
		}
	}
	return append(parts, text[from:])
}

// Explain says what would be decided for such a command line, and does nothing of it: a name
// is looked up as it would be.
func Explain(ctx context.Context, g *gateway.Gateway, r Reaching, who identity.Identity, argv []string) (gateway.Explanation, error) {
	all, err := Wants(argv)
	if err != nil {
		return gateway.Explanation{}, err
	}
	var acts []*gateway.Act
	for _, want := range all {
		w := want.w
		if w.verb == access.Subsystem && w.name != sftp && r.Subsystems[w.name] == nil {
			return gateway.Explanation{}, fmt.Errorf("there is no subsystem %.40q here", w.name)
		}
		acts = append(acts, &gateway.Act{Name: "ssh", Args: w.args(), Verb: w.verb, Reaches: func(ctx context.Context) ([]access.Object, error) {
			on, _, line, err := r.found(ctx, who.Person(), w)
			if line != nil {
				err = errors.Join(err, line.End())
			}
			return on, err
		}})
	}
	return g.ExplainActs(ctx, gateway.Request{Identity: who, Door: Door}, acts)
}

// found finds out what is asked for. What can be told without looking is decided as it is:
// no process is there for it then. So is a name that nothing here could permit.
func (r *Reaching) found(ctx context.Context, person string, w wanted) (on []access.Object, addrs []netip.Addr, line *reach.Line, err error) {
	as := ""
	if r.Account != nil {
		as = r.Account(person)
	}
	defer func() {
		for i := range on {
			on[i].Reach.Account = as
		}
	}()
	plain := w.plain()
	if r.Start == nil || r.May == nil {
		return []access.Object{{Reach: plain}}, nil, nil, nil
	}
	if addrs, ok := w.told(); ok {
		return w.objects(addrs, w.ask.Path), addrs, nil, nil
	}
	if !r.May(person, w.verb, plain) {
		return []access.Object{{Reach: plain}}, nil, nil, nil
	}
	if line, err = r.start(ctx, person); err != nil {
		return nil, nil, nil, err
	}
	on, addrs, err = w.look(ctx, line)
	return on, addrs, line, err
}

func (r *Reaching) start(ctx context.Context, person string) (*reach.Line, error) {
	ctx, cancel := context.WithTimeout(ctx, startTime)
	defer cancel()
	return r.Start(ctx, person)
}
