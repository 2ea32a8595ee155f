package acts

// Lobby is what somebody may choose from who has named nothing: as words for them, and as
// targets of attach-session.
type Lobby struct {
	Text    string   `json:"text"`
	Targets []string `json:"targets"`
}

// Forced is what a forced command is to run: the tmux client, with what was asked for, and in
// which mode: "", "-C" or "-CC". It may be of a daemon that somebody has taken over: who runs it
// believes no more of it than that.
type Forced struct {
	Argv []string `json:"argv"`
	Mode string   `json:"mode,omitempty"`
}
