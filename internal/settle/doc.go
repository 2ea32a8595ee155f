// Package settle waits for what somebody has changed at the cost of others: that it is kept, and that what it takes has
// ended. It is in force before either; who waits is told what could not be confirmed in time.
//
// It is not what ends anything: that is gateway.Reconsider and the like, which are called here. Nor does it keep
// anything: the stores of package grants do.
//
// Start reading at [Wait].
package settle
