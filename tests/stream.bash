# shellcheck shell=bash disable=SC2154
# Clients that go on while adit is reloaded or upgraded, to the peer srv.

# stream_start: clients that connect one after the other until stream_stop.
stream_start() {
	rm -f "$DIR/stop"
	(
		while [ ! -e "$DIR/stop" ]; do
			"$PEER" client -c 20 127.0.0.1 "$PORT" \
			    tunnel "127.0.0.1:$srv_PORT" rtt 2 10 shut eof ||
				exit 1
			echo 20
		done
	) >"$DIR/stream.out" 2>"$DIR/stream.err" 3>&- &
	STREAM=$!
	own_pid "$STREAM"
	wait_for grep -q . "$DIR/stream.out"
}

# stream_stop: fails when one of the connections failed.
stream_stop() {
	local before

	# Connections that began after the last reload count too.
	before=$(wc -l <"$DIR/stream.out")
	wait_for stream_beyond $((before + 1))
	touch "$DIR/stop"
	wait_for dead "$STREAM"
	wait "$STREAM"
	[ ! -s "$DIR/stream.err" ]
	echo "$(wc -l <"$DIR/stream.out") times 20 connections"
}

stream_beyond() {
	[ "$(wc -l <"$DIR/stream.out")" -gt "$1" ] || dead "$STREAM"
}

# tunnel_start NAME: opens a tunnel that waits for $DIR/NAME.go, then makes
# round trips and prints "whole".
tunnel_start() {
	client_start "$1" 127.0.0.1 "$PORT" tunnel "127.0.0.1:$srv_PORT" \
	    rtt 1 5 say up wait "$DIR/$1.go" rtt 3 100 say whole shut eof
	wait_for peer_said "$1" up
}

# tunnel_whole NAME: whether that tunnel still works; ends it.
tunnel_whole() {
	touch "$DIR/$1.go"
	ended "$1" whole
}

# ended NAME WORD: waits until that peer has ended with success; it must have
# printed the word.
ended() {
	peer_wait "$1" >"$DIR/ended" || {
		cat "$DIR/ended"
		return 1
	}
	grep -qx "$2" "$DIR/ended"
}
