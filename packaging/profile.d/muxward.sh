# Plain tmux of every login goes through muxward. Where muxward has not run since the
# host was started there are no doors, and tmux is as without it.
if [ -d /run/muxward/doors ]; then
	TMUX_TMPDIR=/run/muxward/doors
	export TMUX_TMPDIR
fi
