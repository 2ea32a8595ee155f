package webhook

import (
	"context"
	"crypto/hmac"
	"crypto/x509"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/muxward/muxward/internal/tmux/tmuxtest"
)

const secret = "a secret of thirty-two bytes ..."

// got is one try as the other side saw it.
type got struct {
	header http.Header
	body   string
}

// side is another system: it answers with these codes in turn, and then with 200.
type side struct {
	mu    sync.Mutex
	codes []int
	tries []got
}

func (s *side) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.tries = append(s.tries, got{r.Header.Clone(), string(body)})
	code := http.StatusOK
	if len(s.codes) > 0 {
		code, s.codes = s.codes[0], s.codes[1:]
	}
	if code/100 == 3 {
		w.Header().Set("Location", "/elsewhere")
	}
	w.WriteHeader(code)
}

func (s *side) all() []got {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]got(nil), s.tries...)
}

// told collects complaints.
type told struct {
	mu   sync.Mutex
	said []string
}

func (c *told) complain(what string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.said = append(c.said, what)
}

func (c *told) all() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return strings.Join(c.said, "\n")
}

// running is a hook that delivers until the end of the test.
func running(t *testing.T, o Options) *Hook {
	t.Helper()
	o.Secret, o.First = []byte(secret), time.Millisecond
	h, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); h.Run(ctx) }()
	t.Cleanup(func() { cancel(); <-done })
	return h
}

func soon() time.Time { return time.Now().Add(time.Minute) }

// What is told arrives once it can, with a signature that the other side can check, and
// as one delivery however often it was tried.
func TestDelivers(t *testing.T) {
	for name, start := range map[string]func(http.Handler) *httptest.Server{"http on this host": httptest.NewServer, "https": httptest.NewTLSServer} {
		t.Run(name, func(t *testing.T) {
			s, c := &side{codes: []int{500, 429}}, &told{}
			srv := start(s)
			defer srv.Close()
			o := Options{URL: srv.URL + "/T0K3N?x=1", Complain: c.complain}
			if srv.TLS != nil {
				o.Roots = x509.NewCertPool()
				o.Roots.AddCert(srv.Certificate())
			}
			h := running(t, o)
			h.Tell(map[string]string{"request": "one"}, soon())
			h.Tell(map[string]string{"request": "two"}, soon())
			tmuxtest.Eventually(t, func() bool { return len(s.all()) == 4 && strings.Contains(c.all(), "again") }, "both arrive")
			tries := s.all()
			for i, g := range tries {
				at := g.header.Get(TimeHeader)
				if !hmac.Equal([]byte(g.header.Get(SignatureHeader)), []byte(Sign([]byte(secret), at, []byte(g.body)))) {
					t.Errorf("try %d: signature %q", i, g.header.Get(SignatureHeader))
				}
				if sec, err := strconv.ParseInt(at, 10, 64); err != nil || time.Since(time.Unix(sec, 0)).Abs() > time.Minute {
					t.Errorf("try %d: time %q", i, at)
				}
				var m map[string]string
				if want := map[bool]string{true: "one", false: "two"}[i < 3]; json.Unmarshal([]byte(g.body), &m) != nil || m["request"] != want {
					t.Errorf("try %d: %q, want %s", i, g.body, want)
				}
			}
			first := tries[0].header.Get(DeliveryHeader)
			if first == "" || tries[2].header.Get(DeliveryHeader) != first || tries[3].header.Get(DeliveryHeader) == first {
				t.Error("tries of one delivery cannot be told from those of another")
			}
			if strings.Contains(c.all(), "T0K3N") || h.Wrong() != nil {
				t.Errorf("told %q, wrong: %v", c.all(), h.Wrong())
			}
		})
	}
}

// The signature is as documented: whoever writes the other side has this example.
func TestSign(t *testing.T) {
	// printf '1767225600.{"text":"hello"}' | openssl dgst -sha256 -hmac 0123456789abcdef
	const want = "v1=1b7b8ddd9961f26073bbe027af4f7e3158579f6a5aa53dbafcdf982d8f280d6f"
	if got := Sign([]byte("0123456789abcdef"), "1767225600", []byte(`{"text":"hello"}`)); got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

// What does not arrive is given up, and that is told, without the address.
func TestGivesUp(t *testing.T) {
	for name, tc := range map[string]struct {
		codes []int
		until time.Duration
		tries int
		why   string
	}{
		"refused for good":     {[]int{403}, time.Minute, 1, "it answers 403"},
		"a redirect":           {[]int{307}, time.Minute, 1, "a redirect"},
		"it never works":       {[]int{500, 500, 500, 500, 500, 500, 500}, time.Minute, maxTries, "it answers 500"},
		"it is of no use then": {nil, -time.Minute, 0, "of no use"},
	} {
		t.Run(name, func(t *testing.T) {
			s, c := &side{codes: tc.codes}, &told{}
			srv := httptest.NewServer(s)
			defer srv.Close()
			h := running(t, Options{URL: srv.URL + "/T0K3N", Complain: c.complain})
			h.Tell("x", time.Now().Add(tc.until))
			tmuxtest.Eventually(t, func() bool { return strings.Contains(c.all(), "given up") }, "it is given up")
			if n := len(s.all()); n != tc.tries {
				t.Errorf("%d tries, want %d", n, tc.tries)
			}
			err := h.Wrong()
			if err == nil || !strings.Contains(err.Error(), tc.why) || !strings.Contains(err.Error(), "(1 were given up)") {
				t.Errorf("wrong: %v", err)
			}
			if strings.Contains(c.all()+err.Error(), "T0K3N") {
				t.Errorf("the address is told: %q, %v", c.all(), err)
			}
		})
	}
}

// An other side that does not answer holds up nobody who tells, and no end.
func TestNobodyWaits(t *testing.T) {
	held := make(chan struct{})
	srv := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-held }))
	defer srv.Close()
	defer close(held)
	c := &told{}
	h := running(t, Options{URL: srv.URL, Complain: c.complain})
	for range 10 * maxQueued {
		h.Tell("x", soon())
	}
	if err := h.Wrong(); err == nil || !strings.Contains(c.all(), "64 messages wait already") {
		t.Errorf("wrong: %v, told %q", err, c.all())
	}
}

// A certificate that nobody vouches for is not taken.
func TestUnknownCertificate(t *testing.T) {
	s, c := &side{}, &told{}
	srv := httptest.NewUnstartedServer(s)
	srv.Config.ErrorLog = nil
	srv.StartTLS()
	defer srv.Close()
	h := running(t, Options{URL: srv.URL, Complain: c.complain, Roots: x509.NewCertPool()})
	h.Tell("x", soon())
	tmuxtest.Eventually(t, func() bool { return strings.Contains(c.all(), "certificate") }, "it is told")
	if len(s.all()) > 0 {
		t.Error("it was told all the same")
	}
}

func TestCheckURL(t *testing.T) {
	for address, why := range map[string]string{
		"https://chat.example/x": "", "https://chat.example:8443/x?y=z": "", "http://127.0.0.1:8080/": "", "http://[::1]/": "",
		"http://chat.example/x": "this host alone", "http://localhost/": "this host alone", "http://10.0.0.1/": "this host alone",
		"ftp://chat.example/": `the scheme is "ftp"`, "chat.example/x": "no address", "https://": "no address", "https:chat": "no address",
		"": "no address", "https://a:b@chat.example/": "name or password", "https://chat.example/#x": "fragment", "http://127.0.0.1.evil.example/": "this host alone",
	} {
		err := CheckURL(address)
		if (err == nil) != (why == "") || err != nil && !strings.Contains(err.Error(), why) {
			t.Errorf("%q: %v, want %q", address, err, why)
		}
	}
	if _, err := New(Options{URL: "https://chat.example/", Secret: []byte("short")}); err == nil {
		t.Error("a short secret is taken")
	}
	if err := onlyHere("tcp", "10.0.0.1:80", nil); err == nil {
		t.Error("what is not encrypted goes elsewhere")
	}
	if err := errors.Join(onlyHere("tcp", "127.0.0.1:80", nil), onlyHere("tcp6", "[::1]:80", nil)); err != nil {
		t.Error(err)
	}
}

// No hook tells nobody.
func TestNone(t *testing.T) {
	var h *Hook
	h.Tell("x", soon())
	h.Run(context.Background())
	if err := h.Wrong(); err != nil {
		t.Error(err)
	}
}
