package identity

import (
	"crypto/ed25519"
	"crypto/rand"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"
)

// ticketBed is a Tickets with one key, of carol's, and this process at its doors.
type ticketBed struct {
	*Tickets
	t    *testing.T
	now  time.Time
	keys *SSHKeys
	key  ssh.PublicKey
	self Identity
	conn process
}

func newTicketBed(t *testing.T) *ticketBed {
	t.Helper()
	public, _, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	b := &ticketBed{t: t, now: time.Unix(1e9, 0)}
	if b.key, err = ssh.NewPublicKey(public); err != nil {
		t.Fatal(err)
	}
	b.list("carol", "", nil)
	b.Tickets = &Tickets{Keys: func() *SSHKeys { return b.keys }, Now: func() time.Time { return b.now }}
	b.self = b.connect()
	if b.conn, err = processOf(b.self.p.peer); err != nil {
		t.Fatal(err)
	}
	return b
}

// list puts the key in force as somebody's.
func (b *ticketBed) list(who, options string, revoked *SSHRevoked) {
	b.t.Helper()
	k, err := ParseSSHKey(options+strings.TrimSpace(string(ssh.MarshalAuthorizedKey(b.key))), who, "here")
	if err != nil {
		b.t.Fatal(err)
	}
	b.keys, _ = NewSSHKeys([]*SSHKey{k}, nil, revoked, func(string) bool { return true })
}

type anybody struct{}

func (anybody) PersonOf(uint32, string) (string, error) { return "work", nil }

// connect is this process at a door.
func (b *ticketBed) connect() Identity {
	b.t.Helper()
	path := b.t.TempDir() + "/s"
	l, err := net.Listen("unix", path)
	if err != nil {
		b.t.Fatal(err)
	}
	defer l.Close()
	c, err := net.Dial("unix", path)
	if err != nil {
		b.t.Fatal(err)
	}
	b.t.Cleanup(func() { _ = c.Close() })
	s, err := l.Accept()
	if err != nil {
		b.t.Fatal(err)
	}
	b.t.Cleanup(func() { _ = s.Close() })
	who, peer, err := NewProver(anybody{}, WithTickets(b.Tickets)).FromPeer(b.t.Context(), s.(*net.UnixConn), "tmux")
	if err != nil {
		b.t.Fatal(err)
	}
	b.t.Cleanup(func() { _ = peer.Close() })
	return who
}

func (b *ticketBed) ticket() string {
	b.t.Helper()
	line, err := b.issue(b.conn, uint32(os.Getuid()), b.key)
	if err != nil {
		b.t.Fatal(err)
	}
	return line.Ticket
}

// TestTicketTaken: who brings a ticket is the key's person from then on, at every door,
// until the key is not taken any more.
func TestTicketTaken(t *testing.T) {
	b := newTicketBed(t)
	if who := b.connect(); who.Person() != "work" || who.OnlyStreams() {
		t.Fatalf("before: %+v", who.Subject())
	}
	b.now = b.now.Add(ticketLife - time.Second)
	who, _, err := b.Redeem(b.self, b.ticket())
	if err != nil || who.Person() != "carol" || who.Door() != DoorSSHD || !who.OnlyStreams() {
		t.Fatalf("%+v, %v", who.Subject(), err)
	}
	if _, ok := who.UID(); ok || who.Account() != b.self.Account() || !strings.HasPrefix(who.Key(), "SHA256:") {
		t.Errorf("%+v %q", who.Subject(), who.Key())
	}
	at := b.connect()
	if at.Person() != "carol" || at.Door() != DoorSSHD {
		t.Fatalf("at the next door: %+v", at.Subject())
	}
	b.Reconsider()
	if !at.p.peer.Alive() {
		t.Fatal("it was ended while the key stands")
	}
	b.list("bob", "", nil)
	b.Reconsider()
	select {
	case <-at.p.peer.Gone():
	default:
		t.Fatal("carol is still here")
	}
	if at.p.peer.Alive() || !strings.Contains(at.p.peer.Cause().Error(), "somebody else's") {
		t.Errorf("alive %v, cause %v", at.p.peer.Alive(), at.p.peer.Cause())
	}
}

// TestTicketRefused: each thing that may be wrong with a ticket, alone.
func TestTicketRefused(t *testing.T) {
	for _, c := range []struct {
		name string
		want string
		make func(b *ticketBed) string
	}{
		{"late", "older than a minute", func(b *ticketBed) string {
			text := b.ticket()
			b.now = b.now.Add(ticketLife)
			return text
		}},
		{"long ago", "no ticket that is out", func(b *ticketBed) string {
			text := b.ticket()
			b.now = b.now.Add(2*ticketLife + time.Second)
			b.ticket() // which looks what is over
			return text
		}},
		{"twice", "taken already", func(b *ticketBed) string {
			text := b.ticket()
			if _, _, err := b.Redeem(b.self, text); err != nil {
				b.t.Fatal(err)
			}
			return text
		}},
		{"another process's", "another connection", func(b *ticketBed) string {
			b.conn.start++ // one that had the same id before
			return b.ticket()
		}},
		{"another account's", "another account", func(b *ticketBed) string {
			line, err := b.issue(b.conn, uint32(os.Getuid())+1, b.key)
			if err != nil {
				b.t.Fatal(err)
			}
			return line.Ticket
		}},
		{"revoked", "revoked", func(b *ticketBed) string {
			text := b.ticket()
			revoked, err := ParseSSHRevoked(ssh.MarshalAuthorizedKey(b.key), "here")
			if err != nil {
				b.t.Fatal(err)
			}
			b.list("carol", "", revoked)
			return text
		}},
		{"taken away", "nobody's", func(b *ticketBed) string {
			text := b.ticket()
			b.keys = &SSHKeys{}
			return text
		}},
		{"from elsewhere", "where the key may come from", func(b *ticketBed) string {
			text := b.ticket()
			b.list("carol", `from="10.0.0.1" `, nil)
			return text
		}},
		{"of another life", "no ticket that is out", func(b *ticketBed) string { return newTicketBed(b.t).ticket() }},
		{"nothing", "no ticket that is out", func(*ticketBed) string { return "" }},
		{"longer", "no ticket that is out", func(b *ticketBed) string { return b.ticket() + "A" }},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := newTicketBed(t)
			who, _, err := b.Redeem(b.self, c.make(b))
			if err == nil || !strings.Contains(err.Error(), c.want) || !who.IsNobody() {
				t.Errorf("%v, want %q; they are %q", err, c.want, who.Person())
			}
		})
	}
	b := newTicketBed(t)
	text := b.ticket()
	for i := range len(text) {
		for _, with := range []byte("AZaz09-_") {
			if changed := text[:i] + string(with) + text[i+1:]; changed != text {
				if _, _, err := b.Redeem(b.self, changed); err == nil {
					t.Fatalf("taken with byte %d changed", i)
				}
			}
		}
	}
	if _, _, err := b.Redeem(b.self, text); err != nil {
		t.Errorf("trying has spoiled it: %v", err)
	}
	if _, err := b.Issue(b.self, 0, b.key); err == nil {
		t.Error("anybody is given a ticket")
	}
	b.Asker = b.self.Account()
	if _, err := b.Issue(b.self, 0, b.key); err == nil || !strings.Contains(err.Error(), "sshd") && !strings.Contains(err.Error(), "root's") {
		t.Errorf("whom sshd has not started is given a ticket: %v", err)
	}
}
