package acts

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/muxward/muxward/internal/access"
	"github.com/muxward/muxward/internal/grants"
	"github.com/muxward/muxward/internal/identity"
)

// on is a pane in a window that another session has as well.
var on = access.Object{
	Kind: access.Pane, Owner: "alice", Incarnation: "1/2", Session: access.SessionRef{ID: 1, Name: "work", Index: 4},
	Links: []access.SessionRef{{ID: 8, Name: "hidden"}}, Window: access.WindowRef{ID: 2}, Pane: access.PaneRef{ID: 3, Index: 5},
}

// TestToldInWords: what programs read is words in small letters, and tells of no session but the one that was meant.
func TestToldInWords(t *testing.T) {
	verbs := access.SetOf(access.View, access.Type)
	grant := GrantOf(grants.Grant{ID: 1, Who: "bob", What: "viewer", Verbs: verbs, On: on, Giver: identity.Subject{Person: "alice", UID: 1000, Door: "ctl"}}, true)
	for name, v := range map[string]any{
		"grant": grant, "taken back": TakenBack{Grant: grant}, "closed": ClosedInvite{Taken: []ShownGrant{grant}},
		"request": RequestOf(grants.Request{ID: "x", Verbs: verbs, On: on}), "lease": LeaseOf(grants.Lease{On: on}),
		"suggestion": SuggestionOf(grants.Suggestion{On: on}), "lockdown": Lockdown{ShownDenial: DenialOf(grants.Denial{Lock: true, Scope: on})},
	} {
		data, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		var read any
		if err := json.Unmarshal(data, &read); err != nil {
			t.Fatal(err)
		}
		for _, fault := range unread(read, "") {
			t.Errorf("%s: %s: %s", name, fault, data)
		}
		if text := string(data); strings.Contains(text, "hidden") || !strings.Contains(text, `{"kind":"pane","owner":"alice","session":"$1","name":"work","window":"@2","pane":"%3"}`) {
			t.Errorf("%s: %s", name, text)
		}
	}
	if data, _ := json.Marshal(grant); !strings.Contains(string(data), `"verbs":["view","type"]`) ||
		!strings.Contains(string(data), `"giver":{"person":"alice","uid":1000,"door":"ctl"}`) {
		t.Errorf("%s", data)
	}
	if data, _ := json.Marshal(giverOf(identity.Subject{Person: "bob", UID: -1})); string(data) != `{"person":"bob"}` {
		t.Errorf("%s", data)
	}
	var back ShownGrant
	if data, _ := json.Marshal(grant); json.Unmarshal(data, &back) != nil || back.On != grant.On || fmt.Sprint(back.Verbs) != "[view type]" || back.Giver.Person != "alice" {
		t.Errorf("is read back as %+v", back)
	}
}

// unread finds names with capital letters, and verbs that are not words.
func unread(v any, at string) (faults []string) {
	switch v := v.(type) {
	case map[string]any:
		for name, in := range v {
			if strings.ToLower(name) != name {
				faults = append(faults, at+"."+name)
			}
			if _, list := in.([]any); name == "verbs" && !list {
				faults = append(faults, at+".verbs are no list")
			}
			faults = append(faults, unread(in, at+"."+name)...)
		}
	case []any:
		for _, in := range v {
			faults = append(faults, unread(in, at+"[]")...)
		}
	}
	return faults
}
