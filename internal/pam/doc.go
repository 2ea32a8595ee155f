// Package pam has a process of its own ask PAM about one login, and speaks with it.
//
// What PAM is made of are modules of whoever keeps the host: they may hang, crash, fork
// or leave the process, and take only that login with them. The daemon's side is
// [Logins.Login], which starts the process, passes on what is asked and answered, holds
// the times and bounds, and ends the process with what it has started. The other side is
// [Serve], in cmd/muxward-pam, which alone is linked with libpam. Between them is a pair
// of sockets with the frames that docs/protocol/pam.md describes.
//
// It says that PAM has let an account in, and makes nobody somebody (internal/identity),
// opens no session and sets no credentials: nothing runs by what is proved here.
//
// Start reading at [Logins.Login].
package pam
