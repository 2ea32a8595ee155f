package attack

import (
	"os"

	"github.com/muxward/muxward/internal/tmux/tmuxtest"
)

// between has muxward stop at a failpoint while it does something for an
// attacker, does what happens meanwhile, and lets it go on. begin must not wait
// for what it begins.
func (w *world) between(point string, begin, meanwhile func()) {
	w.t.Helper()
	write := func(name, what string) {
		w.t.Helper()
		if err := os.WriteFile(w.points+"/."+name, []byte(what), 0o600); err != nil {
			w.t.Fatal(err)
		}
		if err := os.Rename(w.points+"/."+name, w.points+"/"+name); err != nil {
			w.t.Fatal(err)
		}
	}
	write(point, "wait")
	begin()
	tmuxtest.Eventually(w.t, func() bool {
		_, err := os.Stat(w.points + "/" + point)
		return os.IsNotExist(err)
	}, "muxward comes to %s; it says:\n%s", point, w.Output())
	meanwhile()
	write(point+".go", "")
	tmuxtest.Eventually(w.t, func() bool {
		_, err := os.Stat(w.points + "/" + point + ".go")
		return os.IsNotExist(err)
	}, "muxward goes on from %s", point)
}

// meanwhile has an attacker run a command that muxward stops in, and gives how
// it ended.
func (w *world) meanwhile(point, who string, args []string, happens func()) (code int) {
	w.t.Helper()
	var x *tmuxtest.Terminal
	w.between(point, func() { x = w.attach(who, tmuxtest.TerminalConfig{}, args...) }, happens)
	return x.ExitCode()
}
