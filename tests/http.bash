# shellcheck shell=bash
# Requests and answers of plain HTTP, for tests of what is passed on.

OK='HTTP/1.1 200 OK\r\n'
SMALL="${OK}Content-Length: 2\r\n\r\nok"
CLOSE='Connection: close\r\n\r\n'

# passes REQUEST PASSED ANSWER RECEIVED: a server, on the port ORIGIN if it is
# set, gets exactly PASSED for the request, and the client gets exactly RECEIVED
# for the answer.  @ stands for the host and port of the server.
passes() {
	local at port=${ORIGIN:-}

	[ -n "$port" ] || port=$(free_port)
	at=127.0.0.1:$port
	peer_start origin server -n 1 -p "$port" \
	    expect "${2//@/$at}" send "${3//@/$at}"
	if ! client send "${1//@/$at}" expect "${4//@/$at}" ||
	    ! peer_wait origin; then
		printf 'sent: %s\n' "$1"
		return 1
	fi
}
