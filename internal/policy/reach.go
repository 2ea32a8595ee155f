package policy

import (
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v4"

	"github.com/muxward/muxward/internal/access"
)

// maxReach is how many entries ssh.yaml may have, and maxPlaces how many places one.
const (
	maxReach  = 10_000
	maxPlaces = 256
)

// allowance is one entry of ssh.yaml: what somebody may reach for through the ssh door
// besides tmux.
type allowance struct {
	grant      // who, when, until, reason, id
	open       []endpoint
	listen     []endpoint
	agent      bool
	subsystems []string
}

// endpoint is one place, or several, of an entry.
type endpoint struct {
	any     bool         // every host, but for the special ones
	name    string       // the host by its name
	prefix  netip.Prefix // the host by its address
	port    uint16       // 0: any
	path    string       // a Unix socket
	unbound bool         // every address of this host, to listen at
}

// parseReach reads ssh.yaml.
func (s *Set) parseReach(f source, r *report) {
	d := &doc{file: f.name, r: r, zones: zones{}}
	top := d.root(f.data, "allow")
	if top == nil {
		return
	}
	if top["allow"] == nil {
		r.add(Problem{File: f.name, Line: 1, Column: 1, Text: `the key "allow" is missing`, Hint: "to allow nothing, remove the file"})
		return
	}
	s.reach = listed(d, s.reach, top["allow"], "allow", "entries", maxReach,
		func(n *yaml.Node) (allowance, bool) { return d.allowance(n, s.people) })
}

// allowance reads one entry.
func (d *doc) allowance(n *yaml.Node, ps *people) (allowance, bool) {
	m := d.mapping(n, "an entry", []string{"who", "permit_open", "permit_listen", "agent_forwarding", "subsystems", "when", "until", "reason", "id"})
	if m == nil {
		return allowance{}, false
	}
	a := allowance{grant: grant{file: d.file, line: n.Line, what: "ssh"}}
	for _, key := range []string{"who", "id", "reason"} {
		if m[key] == nil {
			d.fail(n, "", "the entry has no %q", key)
			return allowance{}, false
		}
	}
	ok := true
	also := func(good bool) { ok = ok && good }
	var good bool
	a.who, good = d.who(m["who"], ps)
	also(good)
	a.reason, good = d.text(m["reason"], "the reason")
	also(good)
	if a.id, good = d.text(m["id"], "the id"); good && !idForm.MatchString(a.id) {
		d.fail(m["id"], "", "an id has 1 to 64 letters, digits and _ . -")
		ok = false
	}
	if m["until"] != nil {
		a.until, good = d.instant(m["until"], "until")
		also(good)
	}
	if m["when"] != nil {
		a.when, good = d.when(m["when"])
		also(good)
	}
	if m["agent_forwarding"] != nil {
		a.agent, good = d.truth(m["agent_forwarding"], "agent_forwarding")
		also(good)
	}
	a.open, good = d.places(m["permit_open"], "permit_open", openEndpoint)
	also(good)
	a.listen, good = d.places(m["permit_listen"], "permit_listen", listenEndpoint)
	also(good)
	a.subsystems, good = d.subsystems(m["subsystems"])
	also(good)
	if ok && len(a.open)+len(a.listen)+len(a.subsystems) == 0 && !a.agent {
		d.fail(n, "it is permit_open, permit_listen, agent_forwarding or subsystems that says what", "the entry allows nothing")
		return allowance{}, false
	}
	a.named, a.said = a.rule(), a.reason
	return a, ok
}

func (d *doc) places(n *yaml.Node, key string, read func(string) (endpoint, string)) (out []endpoint, ok bool) {
	if n == nil {
		return nil, true
	}
	ok = true
	list := d.oneOrMore(n)
	if len(list) > maxPlaces {
		d.fail(n, "", "more than %d places of one entry", maxPlaces)
		return nil, false
	}
	for _, item := range list {
		if item.Kind == yaml.ScalarNode && item.Tag == "!!int" && d.ordinary(item) {
			item = &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: item.Value, Line: item.Line, Column: item.Column} // a port alone
		}
		text, good := d.text(item, key)
		if !good {
			ok = false
			continue
		}
		e, wrong := read(text)
		if wrong != "" {
			d.fail(item, "", "%s: %q: %s", key, clip(text), wrong)
			ok = false
			continue
		}
		out = append(out, e)
	}
	return out, ok
}

func (d *doc) subsystems(n *yaml.Node) (out []string, ok bool) {
	ok = true
	for _, item := range d.oneOrMore(n) {
		text, good := d.text(item, "a subsystem")
		if good && !idForm.MatchString(text) {
			d.fail(item, "", "a subsystem's name has 1 to 64 letters, digits and _ . -")
			good = false
		}
		if ok = ok && good; good {
			out = append(out, text)
		}
	}
	return out, ok
}

// openEndpoint reads a place to connect to: HOST:PORT, where either may be a star and
// HOST a name, an address or a network; or the path of a Unix socket.
func openEndpoint(text string) (e endpoint, wrong string) {
	if strings.HasPrefix(text, "/") {
		return pathEndpoint(text)
	}
	host, port, found := cutPort(text)
	if !found {
		return e, "write HOST:PORT, [ADDRESS]:PORT or the path of a socket"
	}
	if e.port, wrong = portOf(port); wrong != "" {
		return e, wrong
	}
	switch prefix, isAddr := prefixOf(host); {
	case host == "*":
		e.any = true
	case isAddr:
		e.prefix = prefix
		return e, e.never()
	default:
		if e.name = hostName(host); e.name == "" {
			return e, "that is no name of a host, no address and no network"
		}
		if e.name == "localhost" {
			return e, "it would never permit anything, as addresses of this host are reached only where an entry has them: write 127.0.0.1:" + port
		}
	}
	return e, ""
}

// never says why an entry with an address, or a network, permits nothing.
func (e *endpoint) never() string {
	first := access.Reach{Addr: e.prefix.Addr()}
	switch {
	case e.prefix.Addr().IsUnspecified() && e.prefix.IsSingleIP():
		return "it is no single host's address; this host's is 127.0.0.1"
	case first.Special() && e.prefix.IsSingleIP() && e.port == 0:
		return "an address of this host, its link or its cloud is reached only where an entry has its port, too"
	case !e.prefix.IsSingleIP() && access.SpecialNetwork(e.prefix):
		return "such a network is reached only where an entry has the very address and port"
	}
	return ""
}

// listenEndpoint reads a place to listen at: PORT on the loopback addresses, ADDRESS:PORT,
// *:PORT for all addresses; or a path.
func listenEndpoint(text string) (e endpoint, wrong string) {
	if strings.HasPrefix(text, "/") {
		return pathEndpoint(text)
	}
	host, port, found := cutPort(text)
	if !found {
		host, port = "localhost", text
	}
	if e.port, wrong = portOf(port); wrong != "" {
		return e, wrong
	}
	prefix, isAddr := prefixOf(host)
	switch {
	case host == "localhost":
		e.name = host
	case host == "*":
		e.unbound = true
	case isAddr && prefix.IsSingleIP():
		if e.prefix = prefix; prefix.Addr().IsUnspecified() {
			e.prefix, e.unbound = netip.Prefix{}, true
		}
	default:
		return e, "write PORT, ADDRESS:PORT, *:PORT or the path of a socket"
	}
	return e, ""
}

func pathEndpoint(text string) (endpoint, string) {
	if len(text) > 107 || strings.Contains(text, "//") || strings.HasSuffix(text, "/") || slices.ContainsFunc(strings.Split(text, "/"), func(p string) bool { return p == "." || p == ".." }) {
		return endpoint{}, "that is no plain path of a socket, of at most 107 bytes"
	}
	return endpoint{path: text}, ""
}

// cutPort cuts HOST:PORT, where an address with colons stands in brackets.
func cutPort(text string) (host, port string, ok bool) {
	if rest, bracket := strings.CutPrefix(text, "["); bracket {
		return strings.Cut(rest, "]:")
	}
	i := strings.LastIndexByte(text, ':')
	if i < 0 || strings.Contains(text[:i], ":") {
		return "", "", false
	}
	return text[:i], text[i+1:], true
}

func portOf(text string) (uint16, string) {
	if text == "*" {
		return 0, ""
	}
	n, err := strconv.ParseUint(text, 10, 16)
	if err != nil || n == 0 || strconv.FormatUint(n, 10) != text {
		return 0, "a port is a number from 1 to 65535, or *"
	}
	return uint16(n), ""
}

func prefixOf(host string) (netip.Prefix, bool) {
	if a, err := netip.ParseAddr(host); err == nil && a.Zone() == "" {
		a = a.Unmap()
		return netip.PrefixFrom(a, a.BitLen()), true
	}
	p, err := netip.ParsePrefix(host)
	return p, err == nil && p == p.Masked() && !p.Addr().Is4In6()
}

// hostName gives a host's name as names are compared, "" if it is none.
func hostName(name string) string {
	name = strings.ToLower(strings.TrimSuffix(name, "."))
	if len(name) > 253 || strings.Trim(name, "abcdefghijklmnopqrstuvwxyz0123456789-_.") != "" {
		return ""
	}
	return name
}

// opens reports whether an endpoint is, or holds, what is connected to. What is special
// has to be named by its own address and port.
func (e *endpoint) opens(r *access.Reach) bool {
	if r.Path != "" || e.path != "" {
		return e.path == r.Path
	}
	exact := e.prefix.IsValid() && e.prefix.IsSingleIP() && e.prefix.Addr() == r.Addr.Unmap() && e.port == r.Port
	if exactly(r) {
		return exact
	}
	return exact || (e.port == 0 || e.port == r.Port) &&
		(e.any || e.prefix.IsValid() && e.prefix.Contains(r.Addr.Unmap()) || e.name != "" && e.name == hostName(r.Name))
}

// listens reports whether an endpoint is what is listened at.
func (e *endpoint) listens(r *access.Reach) bool {
	if r.Path != "" || e.path != "" {
		return e.path == r.Path
	}
	if e.port != 0 && e.port != r.Port || !r.Addr.IsValid() {
		return false
	}
	a := r.Addr.Unmap()
	switch {
	case e.unbound:
		return a.IsUnspecified()
	case e.name != "":
		return a == netip.AddrFrom4([4]byte{127, 0, 0, 1}) || a == netip.IPv6Loopback()
	}
	return e.prefix.Addr() == a
}

// allows reports whether the entry allows what is asked for, whoever asks.
func (a *allowance) allows(v access.Verb, r *access.Reach) bool {
	switch v {
	case access.Forward:
		return slices.ContainsFunc(a.open, func(e endpoint) bool { return e.opens(r) })
	case access.Listen:
		return slices.ContainsFunc(a.listen, func(e endpoint) bool { return e.listens(r) })
	case access.Agent:
		return a.agent
	case access.Subsystem:
		return slices.Contains(a.subsystems, r.Name)
	}
	return false
}

// is reports whether the entry is about a person.
func (a *allowance) is(person string, groups []string) bool {
	group, isGroup := strings.CutPrefix(a.who, "@")
	return a.who == "*" || a.who == person || isGroup && slices.Contains(groups, group)
}

// reaches decides what is no tmux: an entry of ssh.yaml permits it, nothing else does, and
// a forbid that holds on the host refuses it as anything else.
func (s *Set) reaches(q access.Question) access.Decision {
	plain := q
	plain.Verb = access.View
	switch why := s.unanswerable(&plain); {
	case why != "":
		return access.Decision{Rule: Default, Reason: why}
	case q.Object.Reach == nil || q.Object.Kind != access.Host || !access.Reaching.Has(q.Verb):
		return access.Decision{Rule: Default, Reason: "there is no such thing to ask for"}
	case q.Object.Reach.Account != "" && q.Object.Reach.Account != s.AccountFor(q.Who.Person):
		return access.Decision{Rule: Default, Reason: "it is done as an account that is not the person's any more"}
	case q.Who.Inside != "":
		return access.Decision{Rule: "builtin inside", Reason: insideReason}
	}
	res := s.residue(s.view(q.Who.Person), q.Verb)
	t := trial{s: s, q: &q, uses: res.uses}
	limit := limitOf(res, found{}, false, q.At)
	if d, hit := t.forbidden(res.forbids, &q.Object); hit {
		d.Expires = limit
		return d
	}
	groups := s.people.groupsOf(q.Who.Person)
	for i := range s.reach {
		a := &s.reach[i]
		if !a.is(q.Who.Person, groups) || !a.allows(q.Verb, q.Object.Reach) {
			continue
		}
		counts, change := a.at(q.At)
		limit = sooner(limit, change)
		if counts {
			return access.Decision{Allow: true, Rule: a.named, Reason: a.said, Expires: limit}
		}
	}
	return access.Decision{Rule: Default, Reason: s.unreached(q), Expires: limit}
}

// unreached says why nothing permits it.
func (s *Set) unreached(q access.Question) string {
	if r := q.Object.Reach; q.Verb == access.Forward && r.Addr.IsValid() && r.Special() {
		return fmt.Sprintf("no entry of %s names exactly %s, which is special: of this host, its link or its cloud", sshFile, netip.AddrPortFrom(r.Addr, r.Port))
	}
	return "no entry of " + sshFile + " permits it"
}

// MayReach reports whether there is any entry that could permit a person what they ask for,
// whatever that is found to be: where there is none, no name is looked up, so that nobody has
// this host's resolver tell of names that are not theirs to reach.
func (s *Set) MayReach(person string, v access.Verb, r *access.Reach, at time.Time) bool {
	groups := s.people.groupsOf(person)
	return slices.ContainsFunc(s.reach, func(a allowance) bool {
		counts, _ := a.at(at)
		return counts && a.is(person, groups) && a.could(v, r)
	})
}

// could reports whether an entry could allow what is asked for by a name, or by a path with
// links in it.
func (a *allowance) could(v access.Verb, r *access.Reach) bool {
	switch {
	case r.Path != "" && v == access.Forward:
		return slices.ContainsFunc(a.open, func(e endpoint) bool { return e.path != "" })
	case r.Path != "":
		return slices.ContainsFunc(a.listen, func(e endpoint) bool { return e.path != "" })
	case v != access.Forward:
		return a.allows(v, r)
	}
	name := hostName(r.Name)
	return slices.ContainsFunc(a.open, func(e endpoint) bool {
		return e.path == "" && (e.port == 0 || e.port == r.Port) && (e.any || e.prefix.IsValid() || e.name != "" && e.name == name)
	})
}
