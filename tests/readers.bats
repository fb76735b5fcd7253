#!/usr/bin/env bats
# The programs that the manual says read the access logs.

load helper

# access_made: an access log in each format, in $DIR/FORMAT, of three tunnels,
# a refusal and a request that is malformed.
access_made() {
	local format i

	peer_start srv server echo
	adit_start "AccessLog \"$DIR/combined\" combined" \
	    "AccessLog \"$DIR/squid\" squid" "AccessLog \"$DIR/json\" json" \
	    "ConnectPort $srv_PORT"
	for i in 1 2 3; do
		client tunnel "127.0.0.1:$srv_PORT" rtt 1 5 shut eof
	done
	client send "CONNECT h:1 HTTP/1.1\r\n\r\n" refused 403
	client send "GET \x22\xff HTTP/1.1\r\n\r\n" refused 400
	adit_stop
	for format in combined squid json; do
		[ "$(wc -l <"$DIR/$format")" = 5 ]
	done
}

# goaccess_takes FILE OPTION...: whether it takes the lines of a well-formed
# request, and finds no fault in them.
goaccess_takes() {
	local file=$1

	shift
	goaccess "$file" "$@" --no-progress --no-global-config \
	    -o "$DIR/report.json" >"$DIR/goaccess.out" 2>&1
	grep -qE '"failed_requests": *0\b' "$DIR/report.json"
	grep -qE '"total_requests": *'"$(wc -l <"$file")"'\b' "$DIR/report.json"
}

@test "readers: jq reads each line of the json format, and has the rule of a refusal" {
	need_command jq
	access_made
	[ "$(jq -r 'select(.reason == "port") | .rule' "$DIR/json")" = \
	    "$CONF:$(grep -n ConnectPort "$CONF" | cut -d: -f1)" ]
	[ "$(jq -s 'map(.bytes_up) | add' "$DIR/json")" = 15 ]
	[ "$(jq -c 'keys | length' "$DIR/json" | sort -u)" = 27 ]
}

@test "readers: GoAccess reads the combined and the squid format" {
	need_command goaccess
	access_made
	goaccess_takes "$DIR/combined" --log-format=COMBINED
	# It knows no method NONE, which Squid too writes for no request.
	sed -i '/ NONE /d' "$DIR/squid"
	goaccess_takes "$DIR/squid" --date-format=%s --time-format=%s \
	    --log-format='%x.%^ %~%L %h %^/%s %b %m %U %^'
}

@test "readers: calamaris reads the squid format" {
	need_command calamaris
	access_made
	calamaris -a "$DIR/squid" >"$DIR/report" 2>"$DIR/calamaris.err"
	grep -qE 'lines parsed: +lines +5' "$DIR/report"
	fails grep -E 'invalid lines: +lines +[1-9]' "$DIR/report"
}

@test "readers: lnav reads the combined format" {
	need_command lnav
	access_made
	[ "$(HOME=$DIR lnav -n -N -c ';SELECT count(*) AS n FROM access_log' \
	    -c ':write-csv-to -' "$DIR/combined" | tail -n 1)" = 5 ]
}

# lnav_says SQL: prints what lnav finds in the json format with the definition
# in etc/.
lnav_says() {
	HOME=$DIR lnav -n -N -c ";$1" -c ':write-csv-to -' "$DIR/json" \
	    2>>"$DIR/lnav.err"
}

@test "readers: lnav reads the json format by the definition in etc/, and knows each of its keys" {
	need_command lnav jq
	access_made
	HOME=$DIR lnav -i "$BATS_TEST_DIRNAME/../etc/adit.lnav.json" \
	    >"$DIR/lnav.out" 2>"$DIR/lnav.err"
	fails grep -i 'error\|warning' "$DIR/lnav.out" "$DIR/lnav.err"
	[ "$(lnav_says 'SELECT count(*) AS n, sum(bytes_up) AS up FROM adit_json' |
	    tail -n 1)" = 5,15 ]
	[ "$(lnav_says "SELECT reason FROM adit_json WHERE log_level = 'warning' AND status = 403" |
	    tail -n 1)" = port ]
	lnav_says 'SELECT * FROM adit_json LIMIT 1' | head -n 1 | tr , '\n' |
		sort >"$DIR/columns"
	# lnav has the time as its own column log_time.
	jq -r 'keys[]' "$DIR/json" | sort -u | grep -vx time |
		comm -23 - "$DIR/columns" >"$DIR/unknown"
	fails grep . "$DIR/unknown"
	# A line as it is shown.
	HOME=$DIR lnav -n "$DIR/json" >"$DIR/shown" 2>>"$DIR/lnav.err"
	grep -q ' end   403 127.0.0.1 .* CONNECT h:1 up 0 .* port ' "$DIR/shown"
}
