package main

import (
	"bytes"
	"encoding/json"
	"runtime"
	"strings"
	"testing"
	"unicode"

	"github.com/spf13/cobra"

	"github.com/muxward/muxward/internal/hostconf/remote"
)

// What a host says is told of in words that no terminal obeys, whatever it is.
func FuzzFleetAnswer(f *testing.F) {
	f.Add([]byte(`{"schema":1,"changes":[{"do":"make","item":{"id":"\u001b[2J","path":"/a"},"diff":"+\u009b\n"}]}`), []byte("\x1b[2J"), 2)
	f.Add([]byte(`{"schema":1,"broken":{"set":"\u001b"}}`), []byte(""), 2)
	f.Add([]byte(`{}`), []byte(""), 0)
	f.Fuzz(func(t *testing.T, out, stderr []byte, code int) {
		h := ofAnswer(remote.Answer{Host: remote.Host{At: "h"}, Out: out, Stderr: stderr, Code: code})
		var buf bytes.Buffer
		cmd := &cobra.Command{}
		cmd.SetOut(&buf)
		if err := printFleet(newPaint(cmd), fleetPlan{Hosts: []fleetHost{h}}, false); err != nil {
			t.Fatal(err)
		}
		js, err := json.Marshal(h)
		if err != nil {
			t.Fatal(err)
		}
		if i := strings.IndexFunc(buf.String()+string(js), func(r rune) bool { return unicode.IsControl(r) && r != '\n' }); i >= 0 {
			t.Errorf("%q %q %d: a control character in %q", out, stderr, code, buf.String())
		}
		if n := strings.Count(buf.String(), "\n"); n > maxShown+10 {
			t.Errorf("%d lines are shown", n)
		}
		if (h.Outcome == "failed") != (h.Error != "") {
			t.Errorf("%+v", h)
		}
	})
}

// What is sent to a host comes out there as it was, and nothing else is taken.
func TestFleetSent(t *testing.T) {
	b := newHostBed(t)
	sent, err := sendable(b.dir)
	if err != nil {
		t.Fatal(err)
	}
	dir, done, err := receive(bytes.NewReader(sent))
	if err != nil {
		t.Fatal(err)
	}
	defer done()
	b.says(exitDrift, "to make", "plan", dir, "--host", "any", "--root", b.root, "--no-owners")
	for name, bad := range map[string][]byte{"nothing": nil, "half": sent[:len(sent)/2], "changed": bytes.Replace(sent, []byte("schema: 1"), []byte("schema: 2"), 1), "no key": sent[10:]} {
		if dir, done, err := receive(bytes.NewReader(bad)); err == nil {
			done()
			t.Errorf("%s is taken, into %s", name, dir)
		}
	}
}

// A host that lists more than a plan can is not taken, and costs little: what it takes to say
// so is about as much as what the host has said, and no hundreds of it.
func TestFleetFlood(t *testing.T) {
	for name, text := range map[string]string{
		"changes": `{"schema":1,"changes":[` + strings.Repeat("{},", maxPlan/3-20) + `{}]}`,
		"layers":  `{"schema":1,"layers":[` + strings.Repeat(`"",`, maxPlan/3-20) + `""]}`,
		"differs": `{"schema":1,"changes":[{"differs":[` + strings.Repeat("{},", maxPlan/3-30) + `{}]}]}`,
		"twice":   `{"schema":1,` + strings.Repeat(`"layers":["","","",""],`, maxPlan/23-10) + `"changes":[]}`,
	} {
		if len(text) > maxPlan {
			t.Fatalf("%s: %d bytes would not come so far", name, len(text))
		}
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		h := ofAnswer(remote.Answer{Host: remote.Host{At: "h"}, Out: []byte(text)})
		runtime.ReadMemStats(&after)
		if h.Outcome != "failed" || h.Plan != nil || !strings.Contains(h.Error, "lists more than") {
			t.Errorf("%s: %.200v", name, h)
		}
		if made := after.TotalAlloc - before.TotalAlloc; made > 16<<20 {
			t.Errorf("%s: %d bytes are made of %d", name, made, len(text))
		}
	}
}
