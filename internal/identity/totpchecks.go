//go:build !teeth_totp

package identity

// unused reports whether the code of a step may be taken behind one of another.
//
// The build tag teeth_totp takes this check and the others of this file out, for the
// control runs of test/attack.
func unused(step, last uint64) bool { return step > last }

// tooMany reports whether somebody waits who has tried too often.
func tooMany(waits bool) bool { return waits }

// secretsOf are those whose codes a person may say: their own, if they have one by now.
func secretsOf(t *TOTPKeys, person string) []string {
	if t.of[person] == "" {
		return nil
	}
	return []string{t.of[person]}
}

// meanwhile is what has changed since the key was proved.
func meanwhile(err error) error { return err }
