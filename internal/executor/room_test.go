package executor

import "testing"

// TestRoomForLooks: what people look back at has a limit together, whoever has
// left gives back what was theirs, and a fault of theirs takes nothing after.
func TestRoomForLooks(t *testing.T) {
	var r room
	bob, carol := &share{of: &r}, &share{of: &r}
	if err := bob.resize(maxLooks - 10); err != nil {
		t.Fatal(err)
	}
	if carol.resize(11) == nil {
		t.Error("there is more than there is room for")
	}
	if err := carol.resize(10); err != nil {
		t.Error(err)
	}
	if bob.resize(maxLooks-9) == nil || bob.resize(maxLooks-11) != nil {
		t.Error("what was is counted with what is to be in its place")
	}
	bob.leave()
	if bob.leave(); bob.resize(1) == nil || r.used != 10 {
		t.Errorf("%d bytes are kept, of who has left, too", r.used)
	}
	if carol.resize(0) != nil || r.used != 0 {
		t.Errorf("%d bytes are kept of nothing", r.used)
	}
}
