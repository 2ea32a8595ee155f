package script

import (
	"os"
	"strings"
	"testing"

	"github.com/muxward/muxward/internal/tmux/tmuxtest"
	"github.com/muxward/muxward/test/host"
)

// Dora's account is in the directory service alone. With accounts_from: [files, nss] she has a door, a server
// of her own with her groups, and what was given to her. While the directory does not answer she is known as
// before, who was never asked about is nobody, and alice is served; when what was heard of dora is too old she
// is nobody, until the directory is back. Beside the helper it is the same.
func TestDirectoryAccounts(t *testing.T) {
	t.Parallel()
	for mode, account := range map[string]string{"root": "", "separated": host.Ward} {
		t.Run(mode, func(t *testing.T) {
			t.Parallel()
			dir := host.NewDirectory(t, "../..")
			dora, erin := dir.Account("mwdora", 70001), dir.Account("mwerin", 70002)
			dir.Write("passwd", host.Line(dora)+host.Line(erin))
			dir.Write("group", "mwdora:x:70001:\nmwstaff:x:70100:mwdora,mwerin\nshadow:x:42:mwdora\n")
			points := tmuxtest.Dir(t, tmuxtest.Account{})
			h := host.Start(t, host.Config{Account: account, Change: dir.Change, Build: "failpoints", Accounts: []string{"@mwstaff"},
				Env: []string{"MUXWARD_FAILPOINTS=" + points}, Settings: directorySettings,
				Policy: map[string]string{"people.yaml": "people:\n  mwalice: {}\n  mwdora: {}\n  mwerin: {uid: 70002}\n  root: {uid: 0}\n",
					"grants.yaml": "grants:\n  - {who: mwdora, role: viewer, on: mwalice/shared, reason: watches}\n"}})
			h.Must(host.Alice, "new-session", "-d", "-s", "shared", "cat")
			clock := func(by string) {
				t.Helper()
				if err := os.WriteFile(points+"/clock", []byte(by), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			in := func(a tmuxtest.Account, args ...string) bool { return h.TmuxAs(a, args...).Code == 0 }

			tmuxtest.Eventually(t, func() bool { return in(dora, "new-session", "-d", "-s", "own", "-n", "w") }, "dora has a door")
			if !in(dora, "has-session", "-t", "mwalice/shared") || in(dora, "kill-session", "-t", "mwalice/shared") {
				t.Errorf("what was given to dora is not so; muxward says:\n%s", h.Output())
			}
			id := dora.Home + "/id"
			in(dora, "send-keys", "-t", "own", "id -u > id; id -G >> id; mv id id2", "Enter")
			tmuxtest.Eventually(t, func() bool { _, err := os.Stat(id + "2"); return err == nil }, "her shell runs")
			if text, err := os.ReadFile(id + "2"); err != nil || string(text) != "70001\n70001 70100\n" {
				t.Errorf("her shell is %q, %v", text, err)
			}
			if asked := dir.Asked(); !strings.Contains(asked, "uid 65533") || strings.Contains(asked, "uid 0\n") || strings.Contains(asked, "mwalice") {
				t.Errorf("it was asked by, or about, others:\n%s", asked)
			}

			dir.Write("hangs", "")
			if !in(dora, "has-session", "-t", "own") {
				t.Errorf("it hangs, and dora is not known; muxward says:\n%s", h.Output())
			}
			clock("1m") // what was heard of her is not fresh any more
			if in(erin, "ls") {
				t.Error("it hangs, and erin is somebody")
			}
			if h.Tmux(host.Alice, "has-session", "-t", "shared").Code != 0 || !in(dora, "has-session", "-t", "own") {
				t.Errorf("it hangs, and alice or dora is not served; muxward says:\n%s", h.Output())
			}
			dir.Write("gone", "")
			dir.Remove("hangs")
			clock("4m")
			if in(dora, "has-session", "-t", "own") {
				t.Error("it has been gone for long, and dora is known")
			}
			dir.Remove("gone")
			clock("5m")
			tmuxtest.Eventually(t, func() bool { return in(dora, "has-session", "-t", "own") }, "dora is known again")
			if h.Kill(); true {
				dir.Write("hangs", "") // and hers is not taken up
				h.Run()
			}
			if h.Must(host.Alice, "ls"); in(dora, "ls") {
				t.Error("after a start with a directory that hangs, dora is known")
			}
			dir.Remove("hangs")
			defer func() {
				if t.Failed() {
					t.Logf("muxward says:\n%s\nthe directory was asked:\n%s\n%+v", h.Output(), dir.Asked(), h.TmuxAs(dora, "ls"))
				}
			}()
			tmuxtest.Eventually(t, func() bool { return in(dora, "has-session", "-t", "own") }, "her server is taken up")
		})
	}
}

// directorySettings have accounts be asked about, too, that no file has.
const directorySettings = "accounts_from: [files, nss]\n"

// Dora serves her own account alone, which only the directory has: she has a server of her own, by that setting.
func TestDirectoryOwnAccount(t *testing.T) {
	t.Parallel()
	dir := host.NewDirectory(t, "../..")
	dora := dir.Account("mwdora", 70001)
	dir.Write("passwd", host.Line(dora))
	for settings, want := range map[string]bool{directorySettings: true, "": false} {
		h := host.Start(t, host.Config{By: dora, Build: "failpoints", Change: dir.Change, Settings: settings, Policy: map[string]string{"people.yaml": "people: {mwdora: {}}\n"}})
		if _, err := os.Stat(h.Doors + "/tmux-70001/default"); (err == nil) != want {
			t.Errorf("%q: %v; muxward says:\n%s", settings, err, h.Output())
		}
		if !want {
			continue // her tmux would begin a server there
		}
		if r := h.TmuxAs(dora, "new-session", "-d", "-s", "own", "cat"); r.Code != 0 || h.Muxward("", "ls").Out == "" {
			t.Errorf("%q: %+v; muxward says:\n%s", settings, r, h.Output())
		}
	}
}
