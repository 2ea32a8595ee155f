package hostconf

import "context"

// Compare tells how the host differs from a state. It changes nothing.
func Compare(ctx context.Context, s State, o Options) (Plan, error) { return Plan{}, staticError("hostconf: not built yet") }

// Apply brings the host into a state. It takes back an apply that was broken off, looks,
// checks, writes its journal, moves everything to its place, and asks for health. If it
// returns an error, the host is as it was before, or the error says what is not and
// the next Apply or Recover goes on with it. A second Apply does nothing.
func Apply(ctx context.Context, s State, o Options) (Result, error) { return Result{}, staticError("hostconf: not built yet") }

// Undo puts back what the last apply of a set has done. What has been changed since is
// left as it is, and is among Left. Called again, it puts back the apply before that one,
// as long as there is a record of it.
func Undo(ctx context.Context, set string, o Options) (Result, error) { return Result{}, staticError("hostconf: not built yet") }

// Recover takes back an apply that was broken off, and ends an undo that was. Without one
// it does nothing, and the Result has no Recovered.
func Recover(ctx context.Context, o Options) (Result, error) { return Result{}, staticError("hostconf: not built yet") }
