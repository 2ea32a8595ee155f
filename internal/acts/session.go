package acts

// Listed is one session of `muxward ls`, with how many people are attached to it and what the asker
// may do there.
type Listed struct {
	Name    string   `json:"name"`
	ID      string   `json:"id"`
	Windows int      `json:"windows"`
	People  int      `json:"people"`
	Verbs   []string `json:"verbs"`
	// Locked says by whom the session, or a part of it, is locked down.
	Locked string `json:"locked,omitempty"`
}
