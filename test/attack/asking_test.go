package attack

import "encoding/json"

// asking is the build of the control runs of several rows about requests: each of them
// succeeds by the one check that it is about. To build takes longer than they do.
const asking = "teeth_self,teeth_same,teeth_drawn"

// seekers is a world in which people ask for rights.
type seekers struct{ *world }

// ask has somebody ask for something, and leave it at that. It gives the request's name.
func (a seekers) ask(who string, args ...string) string {
	a.t.Helper()
	r := a.Muxward(who, append([]string{"request", "--json", "--wait=false"}, args...)...)
	var made struct {
		ID string `json:"id"`
	}
	if err := json.Unmarshal([]byte(r.Out), &made); r.Code != 0 || err != nil || made.ID == "" {
		a.t.Fatalf("%s: request %q: %+v", who, args, r)
	}
	return made.ID
}

// types reports whether somebody may type into a pane.
func (a seekers) types(who, pane string) bool {
	a.t.Helper()
	return a.Tmux(who, "send-keys", "-t", pane, "typed").Code == 0
}
