# shellcheck shell=bash
# The control socket, SOCK, in tests.

# ask WORD...: sends a command; sets STATUS, OUT and ERR to what the answer is,
# OUT and ERR without the signs of their lines.
ask() {
	ask_bytes "$*\n"
}

# ask_bytes TEXT: the same with bytes that printf makes of the text.
ask_bytes() {
	# shellcheck disable=SC2059
	printf -- "$1" | "${AS[@]}" timeout 30 nc -N -U "$SOCK" >"$DIR/answer"
	sed -n 's/^+//p' "$DIR/answer" >"$DIR/answer.out"
	sed -n 's/^-//p' "$DIR/answer" >"$DIR/answer.err"
	OUT=$(cat "$DIR/answer.out")
	ERR=$(cat "$DIR/answer.err")
	STATUS=$(sed -n '$s/^=//p' "$DIR/answer")
	[[ $STATUS =~ ^[0-9]+$ ]] || {
		echo "no status in the answer to $1:"
		cat "$DIR/answer"
		return 1
	}
}

# asked STATUS WORD...: ask, and the status must be that.
asked() {
	local status=$1

	shift
	ask "$@"
	[ "$STATUS" = "$status" ] || {
		echo "$*: status $STATUS, not $status"
		cat "$DIR/answer"
		return 1
	}
}
