//go:build !teeth_once_answered

package grants

// answeredOnce: what was answered, or taken back, or is overdue, is not there any more.
//
// The build tag teeth_once_answered takes this check out, for the control runs of
// test/attack.
const answeredOnce = true
