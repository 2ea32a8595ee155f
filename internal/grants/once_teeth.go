//go:build teeth_once_answered

package grants

// answeredOnce has a request answered as often as somebody says so. It is for the
// control runs of test/attack.
const answeredOnce = false
