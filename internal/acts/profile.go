package acts

// Offered is a profile as it is told to who may start it.
type Offered struct {
	Name    string `json:"name"`
	Session string `json:"session"`
	Shared  bool   `json:"shared"`
	// Runs is nil where its server does not answer.
	Runs  *bool  `json:"runs"`
	About string `json:"about,omitempty"`
}
