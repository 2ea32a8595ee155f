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
	w.arm(point, "wait")
	begin()
	tmuxtest.Eventually(w.t, func() bool {
		_, err := os.Stat(w.points + "/" + point)
		return os.IsNotExist(err)
	}, "muxward comes to %s; it says:\n%s", point, w.Output())
	meanwhile()
	w.arm(point+".go", "")
	tmuxtest.Eventually(w.t, func() bool {
		_, err := os.Stat(w.points + "/" + point + ".go")
		return os.IsNotExist(err)
	}, "muxward goes on from %s", point)
}

// arm has what comes to a failpoint do what is said.
func (w *world) arm(name, what string) {
	w.t.Helper()
	if err := os.WriteFile(w.points+"/."+name, []byte(what), 0o644); err != nil {
		w.t.Fatal(err)
	}
	if err := os.Rename(w.points+"/."+name, w.points+"/"+name); err != nil {
		w.t.Fatal(err)
	}
}

// meanwhile has an attacker run a command that muxward stops in, and gives how
// it ended.
func (w *world) meanwhile(point, who string, args []string, happens func()) (code int) {
	w.t.Helper()
	var x *tmuxtest.Terminal
	w.between(point, func() { x = w.attach(who, tmuxtest.TerminalConfig{}, args...) }, happens)
	return x.ExitCode()
}
