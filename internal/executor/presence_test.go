package executor

import (
	"fmt"
	"strings"
	"testing"

	"github.com/muxward/muxward/internal/gateway"
)

// TestAttendingIsLiteral: what the options tell of people are names and nothing that
// an owner's status line, or a shell there, could make something of.
func TestAttendingIsLiteral(t *testing.T) {
	people, typing := attending([]gateway.Present{
		{Person: "alice", MayType: true}, {Person: "b#(id)}',;$`\"\n\x1bob", Typing: true}, {Person: "é", MayType: true, Typing: true},
	})
	if people != "alice* b__id__________ob _*" || typing != "b__id__________ob _" {
		t.Errorf("%q, %q", people, typing)
	}
	var many []gateway.Present
	for i := range maxNamed + 7 {
		many = append(many, gateway.Present{Person: fmt.Sprint("p", i)})
	}
	if people, _ := attending(many); !strings.HasSuffix(people, "p19 +7") {
		t.Errorf("of many it is %q", people)
	}
	if people, typing := attending(nil); people != "" || typing != "" {
		t.Errorf("of nobody it is %q, %q", people, typing)
	}
}
