package acts

// RiskList is what a tmux server is found to be like, or what came of clearing some of it.
type RiskList struct {
	Owner string      `json:"owner"`
	Risks []*RiskLine `json:"risks"`
	// More is how many were left out.
	More int `json:"more,omitempty"`
	// Note says why there may be others.
	Note string `json:"note,omitempty"`
}

// RiskLine is one of them.
type RiskLine struct {
	ID   string `json:"id"`
	Text string `json:"text"`
	// Undo are the commands of tmux's that take it away; none if people have to.
	Undo [][]string `json:"undo,omitempty"`
	// Cleared says what came of clearing it: yes, or no.
	Cleared string `json:"cleared,omitempty"`
}
