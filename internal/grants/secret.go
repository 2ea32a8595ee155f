//go:build !teeth_code

package grants

// What keeps a code secret: it is long, only a sum of it is kept, and few wrong ones
// are heard.
//
// The build tag teeth_code takes this out, for the control runs of test/attack.

func shortened(secret string) string { return secret }

func kept(_ Code, sum digest) digest { return sum }

const bounded = true
