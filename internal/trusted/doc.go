// Package trusted judges whether others than those whose word counts could change something: write to
// it, or put another in its place by changing a directory above. Whose word counts says a [Who].
//
// It judges what is open already ([Who.Held], [Who.Info]), for those who hold descriptors so that nothing
// changes between the look and the use, and paths ([Who.Way], [Who.Straight]), which are gone as the kernel
// does (internal/way). A path that it has found good stays so for those who use it next: nobody else could
// change what is on it.
//
// It opens and mends nothing, and does not ask who may read. What sockets are like is described elsewhere
// (internal/sockets), which refuses nothing. Start reading at [Who.Judge].
package trusted
