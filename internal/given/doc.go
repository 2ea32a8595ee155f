// Package given keeps what people give each other in force: grants, invites and who comes by them, and what sessions declare.
//
// What is given is written in the store of package grants and recorded, then put in force in the policy, and then whoever has
// something by it is decided anew. What is taken back counts no more before anybody waits for anything: it is out of force
// first, the disk works meanwhile, and who takes it back hears when what rested on it has ended (takeback.go). What somebody
// has by a giver who does not hold it any more is found out by the policy.
//
// It is not what was taken from people or locked down: that beats all of this, in the line. Nor does it decide: it makes acts,
// which say what right they take. Who asks others for something is package requests' matter, which has given here what was
// approved (knocks.go).
//
// Start reading at [Book], then GrantAct and Give, takeback.go, and invites in shareacts.go.
package given
