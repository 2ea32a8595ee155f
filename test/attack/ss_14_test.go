package attack

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"math"
	"net"
	"slices"
	"sync"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/muxward/muxward/internal/soak"
)

// Mallory wants to know who there is here, and which sessions: she tries user names with
// a key of nobody, and compares what she hears and how long it takes. One name is as
// good as another. (Whether a public key is known is heard by whoever has it, as with
// any SSH server: the control run asks that.)
func TestSS14Names(t *testing.T) {
	row{ssh: true, unlogged: true, attack: func(w *world) {
		known, err := w.dialSSH(viewer, 700) // from where people come, nobody waits
		if err != nil {
			t.Fatal(err)
		}
		_ = known.Close()
		if w.control {
			key := &unwilling{w.signerOf(owner), false}
			_, _ = w.timeTries("x", 700, key)
			if key.asked {
				w.gain("the door asks whoever has the public half to prove it")
			}
			return
		}
		for _, pair := range [][2]string{{owner, "nobody-at-all"}, {owner + "/secret", owner + "/nothing"}, {"root+x", "zzzz+x"}} {
			const rounds = 3 // by chance one in a thousand comes out different
			different := 0
			for different < rounds && w.tellApart(pair) {
				different++
			}
			if different == rounds {
				w.gain("%q and %q are told apart by time", pair[0], pair[1])
			}
		}
	}}.run(t)
}

// tellApart tries two names in turns, and reports whether one is answered sooner.
func (w *world) tellApart(names [2]string) bool {
	w.t.Helper()
	const each = 5
	var times [2][]float64
	var texts [2]string
	for range soak.N(10_000, 100) / each {
		for i, name := range names {
			var keys []ssh.Signer
			for range each {
				keys = append(keys, &unwilling{w.stray(), false})
			}
			took, text := w.timeTries(name, 700, keys...)
			times[i], texts[i] = append(times[i], took...), text
		}
	}
	if texts[0] != texts[1] || texts[0] == "" {
		w.gain("%q hears %q, %q hears %q", names[0], texts[0], names[1], texts[1])
	}
	return rankSum(times[0], times[1]) < 0.001
}

// unwilling is a key that is offered, and signs nothing.
type unwilling struct {
	ssh.Signer
	asked bool
}

func (u *unwilling) Sign(io.Reader, []byte) (*ssh.Signature, error) {
	u.asked = true
	return nil, errors.New("no")
}

// timeTries offers keys, and gives how long the answer to each took, and the last word.
func (w *world) timeTries(user string, n int, keys ...ssh.Signer) (took []float64, text string) {
	w.t.Helper()
	d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(loopback(n))}, Timeout: 10 * time.Second}
	nc, err := d.Dial("tcp", w.SSHAddr())
	if err != nil {
		w.t.Fatal(err)
	}
	defer nc.Close()
	watch := &stopwatch{Conn: nc}
	_ = nc.SetDeadline(time.Now().Add(time.Minute))
	_, _, _, err = ssh.NewClientConn(watch, w.SSHAddr(), &ssh.ClientConfig{User: user, Auth: []ssh.AuthMethod{ssh.PublicKeys(keys...)},
		HostKeyCallback: ssh.InsecureIgnoreHostKey()})
	if err == nil {
		w.t.Fatal("a key of nobody lets in")
	}
	watch.mu.Lock()
	defer watch.mu.Unlock()
	if len(watch.took) < len(keys)+2 {
		w.t.Fatalf("it was not heard out: %d answers, %v", len(watch.took), err)
	}
	return watch.took[len(watch.took)-len(keys):], fmt.Sprint(err)
}

// stopwatch measures how long the other end takes to answer.
type stopwatch struct {
	net.Conn
	mu    sync.Mutex
	asked time.Time
	took  []float64 // seconds
}

func (s *stopwatch) Write(p []byte) (int, error) {
	s.mu.Lock()
	s.asked = time.Now()
	s.mu.Unlock()
	return s.Conn.Write(p)
}

func (s *stopwatch) Read(p []byte) (int, error) {
	n, err := s.Conn.Read(p)
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.asked.IsZero() && n > 0 {
		s.took = append(s.took, time.Since(s.asked).Seconds())
		s.asked = time.Time{}
	}
	return n, err
}

// rankSum is the probability that two samples differ by chance as much as they do (the
// test of Mann and Whitney, by the normal distribution).
func rankSum(a, b []float64) float64 {
	all := slices.Sorted(slices.Values(slices.Concat(a, b)))
	rank := 0.0
	for _, x := range a {
		i, _ := slices.BinarySearch(all, x)
		rank += float64(i + 1)
	}
	m, n := float64(len(a)), float64(len(b))
	u := rank - m*(m+1)/2
	z := (u - m*n/2) / math.Sqrt(m*n*(m+n+1)/12)
	return math.Erfc(math.Abs(z) / math.Sqrt2)
}

func TestRankSum(t *testing.T) {
	var a, b, late []float64
	var random [600]byte
	_, _ = rand.Read(random[:])
	for i := range 300 {
		a, b = append(a, float64(random[i])+float64(i)/1e3), append(b, float64(random[i+300])+float64(i)/1e3+5e-4)
		late = append(late, float64(random[i])+float64(i)/1e3+60)
	}
	if p := rankSum(a, b); p < 1e-6 {
		t.Errorf("what is alike is told apart: %g", p)
	}
	if p := rankSum(a, late); p > 1e-6 {
		t.Errorf("what is not alike is not: %g", p)
	}
}
