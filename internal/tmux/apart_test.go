package tmux

import (
	"reflect"
	"testing"
)

// What is kept of a state for hours holds nothing else of it.
func TestApartAndBare(t *testing.T) {
	snap := NewSnapshot(Snapshot{
		Incarnation: Incarnation{PID: 7, StartTime: 8, Mark: "m"}, Version: Reference(), Now: 9, Detail: Full,
		Options:  Options{Aliases: ParseAliases("command-alias[0] x=list-keys", Reference())},
		Sessions: []Session{{ID: 1, Name: "work", Links: []Winlink{{Index: 0, Window: 2}}}, {ID: 5, Name: "other"}},
		Windows:  []Window{{ID: 2, Name: "w"}}, Panes: []Pane{{ID: 3, Window: 2}, {ID: 4, Window: 2}},
		Clients: []Client{{Name: "/dev/pts/1", Session: 1}},
	})
	bare := snap.Bare()
	if !reflect.DeepEqual(bare.Reading(), snap.Reading()) || bare.Incarnation != snap.Incarnation || bare.Detail != Full || bare.Now != 9 {
		t.Errorf("bare is %+v", bare)
	}
	if bare.Sessions != nil || bare.Windows != nil || bare.Panes != nil || bare.Clients != nil || bare.Session(1) != nil {
		t.Errorf("bare holds %+v", bare)
	}
	if none := (*Snapshot)(nil).Bare(); none != nil || !reflect.DeepEqual(none.Reading(), ParseOptions{}) {
		t.Errorf("of nothing there is %v", none)
	}

	work := snap.Session(1)
	f := Found{Session: work, Link: &work.Links[0], Window: &snap.Windows[0], Pane: &snap.Panes[1], Index: 0}
	apart := f.Apart()
	if !reflect.DeepEqual(apart, f) || !apart.Whole() {
		t.Errorf("apart is %+v, not %+v", apart, f)
	}
	if apart.Session == f.Session || apart.Link == f.Link || apart.Window == f.Window || apart.Pane == f.Pane {
		t.Error("apart still points into the state")
	}
	if got := (Found{Index: -1}).Apart(); got != (Found{Index: -1}) {
		t.Errorf("of nothing found there is %+v", got)
	}
}
