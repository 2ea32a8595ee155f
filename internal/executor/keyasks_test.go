package executor

import (
	"testing"

	"github.com/muxward/muxward/internal/access"
	"github.com/muxward/muxward/internal/gateway"
)

// The key that asks is offered also to who has no commands, but not for what nobody gives by it.
func TestKeyAsks(t *testing.T) {
	pane, window := access.Object{Kind: access.Pane}, access.Object{Kind: access.Window}
	for _, tt := range []struct {
		what string
		r    gateway.Refused
		want bool
	}{
		{"with a command", gateway.Refused{Ask: "muxward request type", Need: gateway.Need{Verb: access.Type, Object: pane}}, true},
		{"by ssh", gateway.Refused{Decision: access.Decision{Rule: gateway.RuleDefault}, Need: gateway.Need{Verb: access.Type, Object: pane}}, true},
		{"of a window", gateway.Refused{Decision: access.Decision{Rule: gateway.RuleDefault}, Need: gateway.Need{Verb: access.Type, Object: window}}, false},
		{"what governs", gateway.Refused{Decision: access.Decision{Rule: gateway.RuleDefault}, Need: gateway.Need{Verb: access.Kick, Object: pane}}, false},
		{"locked down", gateway.Refused{Decision: access.Decision{Rule: gateway.RuleLockdown}, Need: gateway.Need{Verb: access.Type, Object: pane}}, false},
		{"forbidden", gateway.Refused{Decision: access.Decision{Rule: "rules.cedar:4 night"}, Need: gateway.Need{Verb: access.Type, Object: pane}}, false},
	} {
		if got := keyAsks(&tt.r); got != tt.want {
			t.Errorf("%s: %v, want %v", tt.what, got, tt.want)
		}
	}
}
