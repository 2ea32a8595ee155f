package proof

// Outcome is what became of a proof.
type Outcome string

// The outcomes.
const (
	// Holds: it was tried, and it is so.
	Holds Outcome = "holds"
	// Broken: it was tried, and it is not so.
	Broken Outcome = "broken"
	// Unknown: it could not be tried.
	Unknown Outcome = "unknown"
	// Skipped: it is not for this host.
	Skipped Outcome = "not applicable"
)

// Proof is one thing that was tried.
type Proof struct {
	// ID is the control's, such as MW-V010. It never changes.
	ID string `json:"id"`
	// Title says what should be so.
	Title string `json:"title"`
	// Outcome is what became of it.
	Outcome Outcome `json:"outcome"`
	// Evidence is what was seen, in a line each.
	Evidence []string `json:"evidence,omitempty"`
	// Lost says which promise does not hold, if it is not so.
	Lost string `json:"lost,omitempty"`
}
