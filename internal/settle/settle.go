package settle

import (
	"context"
	"errors"
	"time"

	"github.com/muxward/muxward/internal/gateway"
)

// Time bounds how long whoever takes something from others waits for what that ends.
const Time = 5 * time.Second

// Record bounds how long something waits for its record.
const Record = 2 * time.Second

// Wait has what is in force kept while what it takes ends. The error says what could
// not be confirmed in time.
func Wait(ctx context.Context, keep func() error, end func() gateway.Report) (gateway.Report, error) {
	kept := make(chan error, 1)
	go func() { kept <- keep() }()
	rep := end()
	var err error
	select {
	case err = <-kept:
	case <-ctx.Done():
		select { // the time may have gone by while it was written
		case err = <-kept:
		default:
			err = errors.New("it holds now, but is not on disk yet and may not survive a restart")
		}
	}
	all := []error{err}
	for _, u := range rep.Unconfirmed {
		all = append(all, errors.New("not confirmed: "+u))
	}
	return rep, errors.Join(all...)
}
