package executor

import "github.com/muxward/muxward/internal/teeth"

// typedRate is what a person may go on to spend each second.
const typedRate = 512 << 10

// eachSecond is that rate, as it is kept to.
func eachSecond() float64 {
	if teeth.Out(teeth.Budget) {
		return 1 << 40
	}
	return typedRate
}
