// Package keyboard minds who types into panes that several look at: leases, which say whose the keyboard of a pane is, and
// suggestions, lines of one person that another types.
//
// A lease is turned on and off, asked for, handed over and taken; it ends with its pane, and its keyboard is nobody's when its
// holder leaves or may not type there any more (leaseacts.go, leases.go). Who has had it types no more before the next one does
// (leasepass.go). A suggestion waits until somebody takes it by a key, in their own right, or until its author may not suggest
// any more (suggestacts.go, suggestions.go). Both live in the stores of package grants, and change under those' locks.
//
// It is not what refuses a key: the line asks the leases with each decision (package gateway). Nor does it decide: it makes
// acts, which say what right they take, and is called once they are permitted. It types nothing: executor does, by the permit
// of who takes a suggestion.
//
// Start reading at [Keyboards], then LeaseAct and pass, or SuggestAct and TakeAct.
package keyboard
