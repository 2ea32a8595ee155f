// Package chooser is a list that one person looks through, narrows by typing and
// may choose from: how it goes by keys, and how it is drawn over a terminal.
//
// It is pure: it knows of no server, no rights and no terminal. Whoever makes a
// list has decided what is on it. What the lists of the doors have in common with
// it, how a foreign name is shown and found, is here, too. Start reading at [List].
package chooser
