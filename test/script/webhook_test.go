package script

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/muxward/muxward/internal/tmux/tmuxtest"
	"github.com/muxward/muxward/internal/webhook"
	"github.com/muxward/muxward/test/host"
)

// TestWebhook: a chat is told what bob asks for, and how it ended, signed. What it
// answers approves nothing. When it cannot be told, status says so, and nobody waits.
func TestWebhook(t *testing.T) {
	tmuxtest.As(t, host.Alice)
	key := strings.Repeat("k", 32)
	var mu sync.Mutex
	var heard []map[string]any
	chat := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		var m map[string]any
		err := json.Unmarshal(body, &m)
		if err != nil || r.Header.Get(webhook.SignatureHeader) != webhook.Sign([]byte(key), r.Header.Get(webhook.TimeHeader), body) {
			t.Errorf("the chat heard %q, %v, %v", body, r.Header, err)
		}
		mu.Lock()
		defer mu.Unlock()
		heard = append(heard, m)
		_, _ = io.WriteString(w, `{"answer":"approved","approve":true}`)
	}))
	defer chat.Close()
	at := func(n int) map[string]any {
		t.Helper()
		tmuxtest.Eventually(t, func() bool { mu.Lock(); defer mu.Unlock(); return len(heard) > n }, "the chat is told")
		mu.Lock()
		defer mu.Unlock()
		return heard[n]
	}
	file := filepath.Join(tmuxtest.Dir(t, tmuxtest.Account{}), "secret")
	as := host.Serves(t)
	if err := errors.Join(os.WriteFile(file, []byte(key+"\n"), 0o600), os.Chown(file, int(as.UID), int(as.GID)), os.Chmod(filepath.Dir(file), 0o755)); err != nil {
		t.Fatal(err)
	}
	h := host.Start(t, host.Config{
		Settings: "webhook: {url: '" + chat.URL + "/T0K3N', secret: " + file + "}\n",
		Policy: map[string]string{"grants.yaml": `grants:
  - {who: mwbob, verbs: view, on: mwalice/*, reason: watches}
  - {who: root, role: admin, on: "*", reason: runs it}
`}})
	h.Must(host.Alice, "new-session", "-d", "-s", "<!work>", "cat")
	ask := func() string {
		t.Helper()
		var made struct{ ID string }
		r := h.Muxward(host.Bob, "request", "type", "-t", "mwalice/<!work>", "--wait=false", "--json", "--reason", "<!channel> hello")
		if err := json.Unmarshal([]byte(r.Out), &made); err != nil || made.ID == "" {
			t.Fatalf("%+v", r)
		}
		return made.ID
	}
	id := ask()
	m := at(0)
	text, _ := m["text"].(string)
	if m["request"] != id || m["answer"] != "open" || m["from"] != "mwbob" || m["what"] != "type" || m["reason"] != "<!channel> hello" ||
		!strings.HasPrefix(text, "mwbob asks for type on mwalice/?!work? for 30m0s") || strings.Contains(text, "hello") {
		t.Errorf("the chat hears %v", m)
	}
	if r := h.Tmux(host.Bob, "send-keys", "-t", "mwalice/<!work>", "x"); r.Code == 0 {
		t.Error("the chat's answer approved it")
	}
	if r := h.Muxward(host.Alice, "approve", id); r.Code != 0 {
		t.Fatalf("%+v", r)
	}
	if m := at(1); m["request"] != id || m["answer"] != "approved" || m["by"] != "mwalice" {
		t.Errorf("the chat hears %v", m)
	}
	chat.Close()
	ask()
	var status host.Result
	tmuxtest.Eventually(t, func() bool {
		status = h.Muxward("root", "status")
		return strings.Contains(status.Out+status.Err, "webhook: 127.0.0.1 is not told of requests")
	}, "status says that the chat is not told")
	tmuxtest.Eventually(t, func() bool {
		for _, e := range h.AuditKind("alarm") {
			if strings.Contains(e.Note, "webhook: 127.0.0.1 cannot be told") {
				return true
			}
		}
		return false
	}, "so does the log")
	if all := status.Out + h.Output(); strings.Contains(all, "T0K3N") || strings.Contains(all, key) {
		t.Errorf("the address, or the secret, is told: %s", all)
	}
	for change, why := range map[string]string{
		"webhook: {url: 'http://chat.example/', secret: " + file + "}\n": "webhook: url: http goes to this host alone",
		"webhook: {url: 'https://chat.example/', secret: /dev/null}\n":   "webhook: secret: /dev/null is no file",
	} {
		config := filepath.Join(filepath.Dir(file), "c.yaml")
		if err := os.WriteFile(config, []byte(change+"state: "+filepath.Dir(file)+"/s\npolicy: "+h.Policy+"\ndoors: "+filepath.Dir(file)+"/d\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		if r := h.Muxward("root", "serve", "--config", config, "--state", filepath.Dir(file)+"/s"); r.Code == 0 || !strings.Contains(r.Err, why) {
			t.Errorf("%s: %+v, want %q", change, r, why)
		}
	}
	if err := os.Chmod(file, 0o644); err != nil {
		t.Fatal(err)
	}
	h.Stop()
	if err := h.TryRun(); err == nil || !strings.Contains(h.Output(), "may be read by others") {
		t.Errorf("a secret that others can read is taken: %v\n%s", err, h.Output())
	}
}
