package webhook

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strconv"
	"sync"
	"syscall"
	"time"
)

// The headers of a delivery.
const (
	// TimeHeader has the seconds since 1970 at which this try was made.
	TimeHeader = "X-Muxward-Timestamp"
	// SignatureHeader has "v1=" and the HMAC-SHA256 in hexadecimal, by the secret, of
	// what TimeHeader has, a dot and the body.
	SignatureHeader = "X-Muxward-Signature"
	// DeliveryHeader has a name of the delivery, which all of its tries share.
	DeliveryHeader = "X-Muxward-Delivery"
)

const (
	// maxQueued is how many messages wait; more are dropped.
	maxQueued = 64
	// tryTime bounds one try, maxTries how many there are, firstWait the wait behind
	// the first; each that follows is twice as long.
	tryTime   = 5 * time.Second
	maxTries  = 6
	firstWait = time.Second
	// maxAnswer is how much of an answer is read: nothing in it is heeded.
	maxAnswer = 4 << 10
	// MinSecret and MaxSecret bound the length of a secret.
	MinSecret, MaxSecret = 16, 1024
)

// Options say what a hook is.
type Options struct {
	URL    string
	Secret []byte
	// Complain is told when deliveries begin to fail, and what was given up.
	Complain func(string)
	// Roots are the authorities whose certificates are taken; nil for the system's.
	Roots *x509.CertPool
	// First is the wait behind the first try; 0 for one second.
	First time.Duration
}

// Hook tells one address. A nil Hook tells nobody.
type Hook struct {
	o      Options
	host   string // of the address: the rest of it may be a secret
	client *http.Client
	queue  chan message

	mu   sync.Mutex
	bad  error // why the last delivery has failed
	lost int   // how many were given up or dropped since one arrived
}

type message struct {
	body  []byte
	until time.Time
}

// CheckURL says what is wrong with the address of a hook, nil if nothing is.
func CheckURL(address string) error {
	u, err := url.Parse(address)
	if err != nil || u.Host == "" || u.Opaque != "" {
		return errors.New("that is no address; write it as https://chat.example/path")
	}
	switch {
	case u.User != nil:
		return errors.New("the address holds a name or password; the signature is what the other side checks")
	case u.Fragment != "":
		return errors.New("the address holds a fragment (#), which is sent to nobody")
	case u.Scheme == "https":
		return nil
	case u.Scheme != "http":
		return fmt.Errorf("the scheme is %q; it has to be https", u.Scheme)
	}
	if ip, err := netip.ParseAddr(u.Hostname()); err != nil || !ip.IsLoopback() {
		return errors.New("http goes to this host alone, as 127.0.0.1 or [::1]; use https")
	}
	return nil
}

// New makes a hook. Run has it deliver.
func New(o Options) (*Hook, error) {
	if err := CheckURL(o.URL); err != nil {
		return nil, err
	}
	if n := len(o.Secret); n < MinSecret || n > MaxSecret {
		return nil, fmt.Errorf("the secret has %d bytes; give it %d to %d, as of: openssl rand -hex 32", n, MinSecret, MaxSecret)
	}
	if o.First == 0 {
		o.First = firstWait
	}
	u, err := url.Parse(o.URL)
	if err != nil {
		return nil, err
	}
	dialer := &net.Dialer{Timeout: tryTime}
	if u.Scheme == "http" {
		dialer.Control = onlyHere
	}
	return &Hook{o: o, host: u.Hostname(), queue: make(chan message, maxQueued), client: &http.Client{
		Transport: &http.Transport{
			DialContext: dialer.DialContext, DisableKeepAlives: true, TLSHandshakeTimeout: tryTime,
			TLSClientConfig: &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: o.Roots}, MaxResponseHeaderBytes: maxAnswer,
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}, nil
}

// onlyHere refuses to send what is not encrypted to another host.
func onlyHere(_, address string, _ syscall.RawConn) error {
	at, err := netip.ParseAddrPort(address)
	if err == nil && !at.Addr().IsLoopback() {
		err = errors.New("not this host")
	}
	return err
}

// Tell has v delivered as JSON, until then at the latest. It never waits: if too many
// wait already, this one is dropped.
func (h *Hook) Tell(v any, until time.Time) {
	if h == nil {
		return
	}
	body, err := json.Marshal(v)
	if err != nil {
		h.gaveUp(err)
		return
	}
	select {
	case h.queue <- message{body, until}:
	default:
		h.gaveUp(fmt.Errorf("%d messages wait already", maxQueued))
	}
}

// Wrong says why the last delivery has failed, nil if it has not.
func (h *Hook) Wrong() error {
	if h == nil {
		return nil
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.bad == nil {
		return nil
	}
	return fmt.Errorf("%s is not told of requests (%d were given up): %w", h.host, h.lost, h.bad)
}

// Run delivers until ctx ends, one message after the other.
func (h *Hook) Run(ctx context.Context) {
	if h == nil {
		return
	}
	for {
		select {
		case m := <-h.queue:
			h.deliver(ctx, m)
		case <-ctx.Done():
			return
		}
	}
}

// deliver tries until it has arrived, is of no use any more, or was tried often.
func (h *Hook) deliver(ctx context.Context, m message) {
	id, wait := rand.Text(), h.o.First
	for try := 1; ; try++ {
		if !time.Now().Before(m.until) {
			h.gaveUp(errors.New("it had waited until it was of no use"))
			return
		}
		again, err := h.post(ctx, id, m.body)
		switch {
		case err == nil:
			h.arrived()
			return
		case ctx.Err() != nil:
			return
		case !again || try == maxTries || time.Now().Add(wait).After(m.until):
			h.gaveUp(err)
			return
		}
		h.failed(err)
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			return
		}
		wait *= 2
	}
}

// post makes one try, and says of one that fails whether another may not.
func (h *Hook) post(ctx context.Context, id string, body []byte) (again bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, tryTime)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, h.o.URL, bytes.NewReader(body))
	if err != nil {
		return false, errors.New("the address cannot be asked")
	}
	at := strconv.FormatInt(time.Now().Unix(), 10)
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("User-Agent", "muxward")
	req.Header.Set(DeliveryHeader, id)
	req.Header.Set(TimeHeader, at)
	req.Header.Set(SignatureHeader, Sign(h.o.Secret, at, body))
	resp, err := h.client.Do(req)
	var told *url.Error
	if errors.As(err, &told) {
		err = told.Err // without the address
	}
	if err != nil {
		return true, err
	}
	defer resp.Body.Close()
	_, _ = io.Copy(io.Discard, io.LimitReader(resp.Body, maxAnswer))
	switch code := resp.StatusCode; {
	case code >= 200 && code < 300:
		return false, nil
	case code >= 300 && code < 400:
		return false, fmt.Errorf("it answers %d, a redirect, and none is followed", code)
	default:
		return code >= 500 || code == http.StatusTooManyRequests || code == http.StatusRequestTimeout,
			fmt.Errorf("it answers %d", code)
	}
}

// Sign is the signature of a body that is sent at a time, in seconds since 1970.
func Sign(secret []byte, at string, body []byte) string {
	mac := hmac.New(sha256.New, secret)
	_, _ = io.WriteString(mac, at+".") // a hash takes everything
	_, _ = mac.Write(body)
	return "v1=" + hex.EncodeToString(mac.Sum(nil))
}

func (h *Hook) arrived() {
	h.mu.Lock()
	was, lost := h.bad, h.lost
	h.bad, h.lost = nil, 0
	h.mu.Unlock()
	if was != nil {
		h.o.Complain(fmt.Sprintf("webhook: %s is told of requests again; %d were given up", h.host, lost))
	}
}

// failed notes that a try has failed, and tells the first of several.
func (h *Hook) failed(err error) { h.wrong(err, 0) }

// gaveUp notes that a message is not delivered.
func (h *Hook) gaveUp(err error) { h.wrong(err, 1) }

func (h *Hook) wrong(err error, lost int) {
	h.mu.Lock()
	first := h.bad == nil || lost > 0 && h.lost == 0
	h.bad, h.lost = err, h.lost+lost
	h.mu.Unlock()
	switch {
	case !first:
	case lost > 0:
		h.o.Complain(fmt.Sprintf("webhook: %s was not told of a request, and that was given up: %v", h.host, err))
	default:
		h.o.Complain(fmt.Sprintf("webhook: %s cannot be told of a request, and it is tried again: %v", h.host, err))
	}
}
