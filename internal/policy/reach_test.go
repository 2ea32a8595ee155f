package policy

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/muxward/muxward/internal/access"
	"github.com/muxward/muxward/internal/identity"
)

const reachPeople = "people:\n  alice: {}\n  bob: {}\n  carol: {}\ngroups:\n  oncall: [carol]\n"

// reachSet is a policy with an ssh.yaml.
func reachSet(t *testing.T, reach, cedar string) (*Set, error) {
	t.Helper()
	files := []source{{peopleFile, []byte(reachPeople)}, {grantsFile, []byte("grants:\n  - {who: alice, role: owner, on: \"*\", reason: all}\n")},
		{sshFile, []byte(reach)}}
	if cedar != "" {
		files = append(files, source{"x" + cedarEnd, []byte(cedar)})
	}
	var r report
	s := build(files, &r)
	return s, r.err()
}

// reaching asks: "bob forward HOST ADDRESS PORT", "bob listen ADDRESS PORT", "bob path /x".
func reaching(text string) access.Question {
	f := strings.Fields(text)
	q := access.Question{Who: identity.Subject{Person: f[0], UID: -1, Door: "ssh"}, At: time.Date(2027, 1, 1, 0, 0, 0, 0, time.UTC)}
	r := &access.Reach{}
	q.Object.Reach = r
	port := func(s string) uint16 { p, _ := netip.ParseAddrPort("1.1.1.1:" + s); return p.Port() }
	switch f[1] {
	case "forward":
		q.Verb, r.Name, r.Addr, r.Port = access.Forward, f[2], netip.MustParseAddr(f[3]), port(f[4])
	case "own":
		q.Verb, r.Name, r.Addr, r.Port, r.Ours = access.Forward, f[2], netip.MustParseAddr(f[3]), port(f[4]), true
	case "path":
		q.Verb, r.Path = access.Forward, f[2]
	case "listen":
		q.Verb, r.Addr, r.Port = access.Listen, netip.MustParseAddr(f[2]), port(f[3])
	case "agent":
		q.Verb = access.Agent
	case "subsystem":
		q.Verb, r.Name = access.Subsystem, f[2]
	}
	return q
}

func TestReaches(t *testing.T) {
	s, err := reachSet(t, `allow:
  - {id: db, who: "@oncall", permit_open: ["db.internal:5432", "10.0.0.0/8:443", "127.0.0.1:25", "/run/db"], reason: db}
  - {id: all, who: bob, permit_open: ["*:*", "0.0.0.0/0:*"], permit_listen: [8080, "*:9090", "10.1.1.1:*", /run/x], reason: all}
  - {id: rest, who: alice, agent_forwarding: true, subsystems: [sftp], until: 2027-01-02T00:00:00Z, reason: rest}
`, `forbid (principal == Person::"bob", action == Action::"forward", resource is Host) when { context.mfa };
`)
	if err != nil {
		t.Fatal(err)
	}
	for text, want := range map[string]bool{
		"carol forward db.internal 10.9.9.9 5432": true, "carol forward DB.internal. 192.0.2.1 5432": true,
		"carol forward db.internal 10.9.9.9 5433": false, "carol forward other 192.0.2.1 5432": false,
		"carol forward db.internal 127.0.0.1 5432": false, "carol forward db.internal 169.254.169.254 5432": false,
		"carol forward x 10.1.1.1 443": true, "carol forward localhost 127.0.0.1 25": true, "carol forward x 127.0.0.2 25": false,
		"carol own x 10.1.1.1 443": false, "carol path /run/db": true, "carol path /run/other": false,
		"bob forward x 192.0.2.1 1": true, "bob forward x 2001:db8::1 1": true, "bob own x 192.0.2.1 1": false,
		"bob forward x ::1 1": false, "bob forward x ::ffff:127.0.0.1 1": false, "bob forward x 0.0.0.0 1": false, "bob forward x 64:ff9b::7f00:1 1": false,
		"bob forward x fe80::1 1": false, "bob forward x fd00:ec2::254 80": false, "bob forward x 224.0.0.1 1": false, "bob forward x ::127.0.0.1 1": false,
		"bob forward x 2002:a9fe:a9fe::1 80": false, "bob forward x 255.255.255.255 1": false,
		"bob path /run/db":          false,
		"bob listen 127.0.0.1 8080": true, "bob listen ::1 8080": true, "bob listen 0.0.0.0 8080": false, "bob listen 0.0.0.0 9090": true,
		"bob listen 127.0.0.1 9090": false, "bob listen 10.1.1.1 0": true, "bob listen 127.0.0.1 0": false,
		"alice agent": true, "bob agent": false, "alice subsystem sftp": true, "alice subsystem netconf": false, "bob subsystem sftp": false,
		"alice forward x 192.0.2.1 1": false, // who owns all and is granted all
	} {
		if d := s.Decide(reaching(text)); d.Allow != want {
			t.Errorf("%s: %+v, want %v", text, d, want)
		}
	}
	q := reaching("alice agent")
	if d := s.Decide(q); d.Rule != "ssh.yaml:4 rest" || !d.Expires.Equal(q.At.AddDate(0, 0, 1)) {
		t.Errorf("the decision is %+v", d)
	}
	q.At = q.At.AddDate(0, 0, 1)
	if d := s.Decide(q); d.Allow {
		t.Errorf("after its time: %+v", d)
	}
	q = reaching("bob forward x 192.0.2.1 1")
	q.Who.MFA = true
	if d := s.Decide(q); d.Allow || !strings.HasPrefix(d.Rule, "x.cedar") {
		t.Errorf("what is forbidden: %+v", d)
	}
	q.Who.MFA, q.Who.Inside = false, "bob/%1"
	if d := s.Decide(q); d.Allow {
		t.Errorf("from inside a pane: %+v", d)
	}
	q = reaching("bob forward x 192.0.2.1 1")
	q.Object.Reach = nil
	if d := s.Decide(q); d.Allow {
		t.Errorf("about nothing: %+v", d)
	}
	q = reaching("alice agent")
	q.Verb = access.View
	if d := s.Decide(q); d.Allow {
		t.Errorf("another verb on it: %+v", d)
	}
}

// TestMayReach: nothing is looked up for who could not be permitted it, whatever it is.
func TestMayReach(t *testing.T) {
	s, err := reachSet(t, `allow:
  - {id: db, who: carol, permit_open: ["db.internal:5432", /run/db], permit_listen: [8080], reason: db}
  - {id: net, who: bob, permit_open: ["10.0.0.0/8:443"], subsystems: [sftp], reason: net}
`, "")
	if err != nil {
		t.Fatal(err)
	}
	for text, want := range map[string]bool{
		"carol forward DB.internal 192.0.2.1 5432": true, "carol forward db.internal 192.0.2.1 22": false, "carol forward other 192.0.2.1 5432": false,
		"bob forward anything 192.0.2.1 443": true, "bob forward anything 192.0.2.1 80": false, "alice forward db.internal 192.0.2.1 5432": false,
		"carol path /tmp/link": true, "bob path /tmp/link": false, "carol listen 127.0.0.1 8080": true, "carol listen 127.0.0.1 8081": false,
		"bob subsystem sftp": true, "bob subsystem netconf": false, "carol agent": false,
	} {
		q := reaching(text)
		if q.Verb == access.Forward { // what it is has not been looked up
			q.Object.Reach.Addr = netip.Addr{}
		}
		if got := s.MayReach(q.Who.Person, q.Verb, q.Object.Reach, q.At); got != want {
			t.Errorf("%s: %v", text, got)
		}
	}
}

// TestReachAccount: what goes on as an account that is no longer the person's is not permitted.
func TestReachAccount(t *testing.T) {
	s, err := reachSet(t, "allow:\n  - {id: x, who: bob, subsystems: [sftp], reason: r}\n", "")
	if err != nil {
		t.Fatal(err)
	}
	q := reaching("bob subsystem sftp")
	for account, want := range map[string]bool{"": true, s.AccountFor("bob"): true, "other": false, "uid 1": false} {
		q.Object.Reach.Account = account
		if d := s.Decide(q); d.Allow != want {
			t.Errorf("as %q: %+v", account, d)
		}
	}
}

func TestReachMistakes(t *testing.T) {
	entry := func(text string) string { return "allow:\n  - {id: x, who: bob, reason: r, " + text + "}\n" }
	for text, want := range map[string]string{
		entry("permit_open: [db]"): "HOST:PORT", entry("permit_open: [\"db:0\"]"): "1 to 65535", entry("permit_open: [\"::1:22\"]"): "HOST:PORT",
		entry("permit_open: [\"10.0.0.1/8:22\"]"): "no name", entry("permit_open: [/run/../x]"): "plain path", entry("permit_listen: [\"host:22\"]"): "write PORT",
		entry("permit_open: [\"localhost:5432\"]"): "127.0.0.1:5432", entry("permit_open: [\"127.0.0.0/8:80\"]"): "very address", entry("permit_open: [\"0.0.0.0:80\"]"): "no single host",
		entry("permit_open: [\"169.254.0.0/16:*\"]"): "very address", entry("permit_open: [\"127.0.0.1:*\"]"): "its port", entry("permit_open: [\"[fe80::/10]:22\"]"): "very address",
		entry("permit_open: []"): "allows nothing", entry("agent_forwarding: maybe"): "true or false", entry("subsystems: [a b]"): "letters",
		"allow:\n  - {who: bob, reason: r, agent_forwarding: true}\n":           `no "id"`,
		"allow:\n  - {id: x, who: nobody, reason: r, agent_forwarding: true}\n": "no person",
		entry("x11: true"): "unknown key", "grants: []\n": "unknown key",
	} {
		if _, err := reachSet(t, text, ""); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", text, err, want)
		}
	}
	for _, text := range []string{"[64:ff9b::/96]:443", "[2002::/16]:443", "[::/96]:443", "0.0.0.0/0:443"} { // of IPv4 also what is not special
		if _, err := reachSet(t, entry("permit_open: [\""+text+"\"]"), ""); err != nil {
			t.Errorf("%s: %v", text, err)
		}
	}
	if _, err := reachSet(t, entry("agent_forwarding: true"), `permit (principal, action == Action::"agent", resource);
`); err == nil || !strings.Contains(err.Error(), "ssh.yaml") {
		t.Errorf("a permit of an agent: %v", err)
	}
}

func FuzzEndpoint(f *testing.F) {
	for _, s := range []string{"db:1", "[::1]:22", "10.0.0.0/8:*", "*:*", "/run/x", "8080", "[::ffff:1.2.3.4]:1", "a:b:c"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		for _, read := range []func(string) (endpoint, string){openEndpoint, listenEndpoint} {
			e, wrong := read(text)
			if wrong != "" {
				continue
			}
			for _, a := range []string{"127.0.0.1", "169.254.169.254", "::1", "::ffff:127.0.0.1"} {
				r := &access.Reach{Name: "x", Addr: netip.MustParseAddr(a), Port: 80}
				if e.opens(r) && (!e.prefix.IsSingleIP() || e.port != 80) {
					t.Errorf("%q opens %s", text, a)
				}
			}
		}
	})
}
