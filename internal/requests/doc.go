// Package requests minds what people ask others for, and knocks: who comes with an invite that takes somebody's yes asks for
// what it gives. A request waits until as many have approved it as it takes, one has denied it, its asker has gone or taken it
// back, its time is over, or nobody could approve it any more (requests.go, requestacts.go, knock.go). Who may answer is told, and
// another system by the webhook (tells.go).
//
// What waits is in the store of package grants, which has each answered by one at a time: until an answer is done nobody else
// gives one, nor takes the request back.
//
// It is not where anything is given: what was approved is handed to [Grants], by its approver's right. Nor does it decide: it
// makes acts, which say what right they take, and an answer asks the line once more for all who have said yes. What is asked
// for from inside a pane, and waits for its own person's key, is none of its matters.
//
// Start reading at [Requests], then RequestAct, AnswerAct and approve.
package requests
