package identity

import (
	"maps"
	"slices"

	"github.com/muxward/muxward/internal/teeth"
)

// unused reports whether the code of a step may be taken behind one of another.
func unused(step, last uint64) bool { return step > last || teeth.Out(teeth.TOTP) }

// tooMany reports whether somebody waits who has tried too often.
func tooMany(waits bool) bool { return waits && !teeth.Out(teeth.TOTP) }

// secretsOf are those whose codes a person may say: their own, if they have one by now.
func secretsOf(t *TOTPKeys, person string) []string {
	if teeth.Out(teeth.TOTP) {
		return slices.Collect(maps.Values(t.of))
	}
	if t.of[person] == "" {
		return nil
	}
	return []string{t.of[person]}
}

// meanwhile is what has changed since the key was proved.
func meanwhile(err error) error {
	if teeth.Out(teeth.TOTP) {
		return nil
	}
	return err
}
