//go:build !teeth_chain

package grants

// What keeps a code secret: it is long, only a sum of it is kept, and few wrong ones
// are heard.
//
// The build tag teeth_chain takes this out, as all that bounds what is given: it is one
// build for the control runs of test/attack, and each build takes long.

func shortened(secret string) string { return secret }

func kept(_ Code, sum digest) digest { return sum }

const bounded = true
