#!/usr/bin/env bats
# The programs that people use with the proxy.

load helper

# https_start: an HTTPS server with a certificate for localhost and 127.0.0.1;
# sets HTTPS_PORT.  It serves $DIR/www.
https_start() {
	local port

	need_command openssl
	mkdir -p "$DIR/www"
	head -c 300000 /dev/urandom | base64 >"$DIR/www/file"
	openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 \
	    -nodes -days 2 -subj /CN=localhost \
	    -addext 'subjectAltName=DNS:localhost,IP:127.0.0.1' \
	    -keyout "$DIR/key.pem" -out "$DIR/cert.pem" 2>"$DIR/req.err"
	port=$(free_port)
	(
		cd "$DIR/www" || exit
		exec openssl s_server -accept "127.0.0.1:$port" -WWW \
		    -key "$DIR/key.pem" -cert "$DIR/cert.pem"
	) >"$DIR/https.out" 2>"$DIR/https.err" </dev/null 3>&- &
	own_pid $!
	wait_for grep -q ^ACCEPT "$DIR/https.out"
	HTTPS_PORT=$port
}

# python_https: the same in Python, which also serves the files that git needs.
python_https() {
	need_command python3
	https_start
	HTTPS_PORT=$(free_port)
	cat >"$DIR/server.py" <<-'END'
	import functools, http.server, ssl, sys
	port, top, cert, key = sys.argv[1:]
	handler = functools.partial(
	    http.server.SimpleHTTPRequestHandler, directory=top)
	server = http.server.ThreadingHTTPServer(('127.0.0.1', int(port)), handler)
	context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
	context.load_cert_chain(cert, key)
	server.socket = context.wrap_socket(server.socket, server_side=True)
	print('ready', flush=True)
	server.serve_forever()
	END
	python3 "$DIR/server.py" "$HTTPS_PORT" "$DIR/www" "$DIR/cert.pem" \
	    "$DIR/key.pem" >"$DIR/python.out" 2>"$DIR/python.err" 3>&- &
	own_pid $!
	wait_for grep -q ready "$DIR/python.out"
}

# same FILE: whether the download equals the served file.
same() {
	cmp "$1" "$DIR/www/file"
}

no_proxy_environment() {
	unset http_proxy https_proxy HTTPS_PROXY HTTP_PROXY all_proxy \
	    ALL_PROXY no_proxy NO_PROXY
}

setup() {
	common_setup
	no_proxy_environment
	export HOME=$DIR
}

@test "clients: curl fetches a page over HTTPS, by name and by address" {
	need_command curl
	https_start
	adit_start
	for host in localhost 127.0.0.1; do
		curl -sS -m 60 --cacert "$DIR/cert.pem" \
		    -x "http://127.0.0.1:$PORT" -o "$DIR/got" \
		    "https://$host:$HTTPS_PORT/file"
		same "$DIR/got"
	done
}

@test "clients: curl takes the proxy from the environment" {
	need_command curl
	https_start
	adit_start
	https_proxy=http://127.0.0.1:$PORT curl -sS -m 60 \
	    --cacert "$DIR/cert.pem" -o "$DIR/got" \
	    "https://localhost:$HTTPS_PORT/file"
	same "$DIR/got"
	log_wait 'Established connection to host "localhost"'
}

@test "clients: curl logs in, and reports 407 when it cannot" {
	need_command curl
	https_start
	adit_start "BasicAuth alice secret"
	curl -sS -m 60 --cacert "$DIR/cert.pem" -x "http://127.0.0.1:$PORT" \
	    -U alice:secret -o "$DIR/got" "https://localhost:$HTTPS_PORT/file"
	same "$DIR/got"
	# wget first sends a request without credentials, and logs in after the
	# 407.
	curl -sS -m 60 --cacert "$DIR/cert.pem" -x "http://127.0.0.1:$PORT" \
	    --proxy-anyauth -U alice:secret -o "$DIR/got2" \
	    "https://localhost:$HTTPS_PORT/file"
	same "$DIR/got2"
	fails curl -sS -m 60 -k -x "http://127.0.0.1:$PORT" -U alice:wrong \
	    "https://localhost:$HTTPS_PORT/file" 2>"$DIR/curl.err"
	grep -q 407 "$DIR/curl.err"
}

@test "clients: curl shows the refusal of a target" {
	need_command curl
	adit_start "ConnectPort 443"
	fails curl -sS -m 60 -x "http://127.0.0.1:$PORT" \
	    https://localhost:1/ 2>"$DIR/curl.err"
	grep -q 403 "$DIR/curl.err"
}

@test "clients: curl can use HTTP/1.0 with the proxy, and plain HTTP in a tunnel" {
	need_command curl
	peer_start web server skip '\r\n\r\n' \
	    send 'HTTP/1.0 200 OK\r\n\r\nhello' close
	adit_start
	[ "$(curl -sS -m 60 --proxy1.0 "127.0.0.1:$PORT" -p \
	    "http://localhost:$web_PORT/")" = hello ]
	[ "$(curl -sS -m 60 -x "127.0.0.1:$PORT" -p \
	    "http://localhost:$web_PORT/")" = hello ]
}

@test "clients: thirty downloads at once arrive whole" {
	local i

	need_command curl
	python_https
	adit_start
	for i in $(seq 30); do
		curl -sS -m 120 --cacert "$DIR/cert.pem" \
		    -x "http://127.0.0.1:$PORT" -o "$DIR/got$i" \
		    "https://localhost:$HTTPS_PORT/file" \
		    2>>"$DIR/curl.err" 3>&- &
		own_pid $!
		PIDS+=($!)
	done
	for i in "${PIDS[@]}"; do
		wait "$i"
	done
	for i in $(seq 30); do
		same "$DIR/got$i"
	done
}

@test "clients: wget fetches a page over HTTPS" {
	need_command wget
	https_start
	adit_start
	https_proxy=http://127.0.0.1:$PORT wget -q -T 60 -t 1 \
	    --ca-certificate="$DIR/cert.pem" -O "$DIR/got" \
	    "https://localhost:$HTTPS_PORT/file"
	same "$DIR/got"
	log_wait 'Established connection'
}

@test "clients: wget logs in" {
	need_command wget
	https_start
	adit_start "BasicAuth alice secret"
	https_proxy=http://alice:secret@127.0.0.1:$PORT wget -q -T 60 -t 1 \
	    --ca-certificate="$DIR/cert.pem" -O "$DIR/got" \
	    "https://localhost:$HTTPS_PORT/file"
	same "$DIR/got"
}

@test "clients: git clones over HTTPS" {
	need_command git
	python_https
	adit_start
	export GIT_CONFIG_NOSYSTEM=1 GIT_TERMINAL_PROMPT=0
	git init -q "$DIR/work"
	cp "$DIR/www/file" "$DIR/work/file"
	git -C "$DIR/work" add file
	git -C "$DIR/work" -c user.name=t -c user.email=t@localhost \
	    commit -q -m one
	git clone -q --bare "$DIR/work" "$DIR/www/repo.git"
	git -C "$DIR/www/repo.git" update-server-info
	export GIT_SSL_CAINFO=$DIR/cert.pem
	git -c http.proxy="http://127.0.0.1:$PORT" \
	    ls-remote "https://localhost:$HTTPS_PORT/repo.git" HEAD |
		grep -q HEAD
	git -c http.proxy="http://127.0.0.1:$PORT" \
	    clone -q "https://localhost:$HTTPS_PORT/repo.git" "$DIR/clone"
	same "$DIR/clone/file"
	log_wait 'Established connection'
}

@test "clients: openssl s_client gets a TLS session through the proxy" {
	https_start
	adit_start
	printf 'GET /file HTTP/1.0\r\n\r\n' |
		timeout 60 openssl s_client -quiet -verify_return_error \
		    -CAfile "$DIR/cert.pem" -servername localhost \
		    -proxy "127.0.0.1:$PORT" -connect "localhost:$HTTPS_PORT" \
		    -ign_eof >"$DIR/got" 2>"$DIR/openssl.err"
	sed '1,/^\r$/d' "$DIR/got" >"$DIR/body"
	same "$DIR/body"
}

@test "clients: ssh goes through the proxy with nc as its ProxyCommand" {
	need_command ssh nc
	nc -h 2>&1 | grep -q -- '-X' || skip "this nc speaks no CONNECT"
	peer_start sshd server send 'SSH-2.0-test\r\n' skip 'SSH-2.0-OpenSSH' \
	    say greeted close
	adit_start
	fails timeout 60 ssh -F /dev/null -o BatchMode=yes \
	    -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null \
	    -o ProxyCommand="nc -X connect -x 127.0.0.1:$PORT %h %p" \
	    -p "$sshd_PORT" localhost true 2>"$DIR/ssh.err"
	wait_for peer_said sshd greeted
}

@test "clients: nc -X connect carries bytes both ways" {
	need_command nc
	nc -h 2>&1 | grep -q -- '-X' || skip "this nc speaks no CONNECT"
	peer_start srv server skip ping send pong close
	adit_start
	[ "$(printf ping | timeout 60 nc -X connect -x "127.0.0.1:$PORT" \
	    127.0.0.1 "$srv_PORT")" = pong ]
}

@test "clients: ncat and socat carry bytes both ways" {
	local tried=

	peer_start srv server skip ping send pong close
	adit_start
	if command -v ncat >/dev/null; then
		tried=1
		[ "$(printf ping | timeout 60 ncat --proxy-type http \
		    --proxy "127.0.0.1:$PORT" 127.0.0.1 "$srv_PORT")" = pong ]
	fi
	if command -v socat >/dev/null; then
		tried=1
		[ "$(printf ping | timeout 60 socat -t 10 - \
		    "PROXY:127.0.0.1:127.0.0.1:$srv_PORT,proxyport=$PORT")" = pong ]
	fi
	[ -n "$tried" ] || skip "needs ncat or socat"
}

@test "clients: Python fetches a page over HTTPS" {
	python_https
	adit_start
	cat >"$DIR/client.py" <<-'END'
	import ssl, sys, urllib.request
	proxy, url, cert = sys.argv[1:]
	opener = urllib.request.build_opener(
	    urllib.request.ProxyHandler({'https': proxy}),
	    urllib.request.HTTPSHandler(
	        context=ssl.create_default_context(cafile=cert)))
	sys.stdout.buffer.write(opener.open(url, timeout=60).read())
	END
	python3 "$DIR/client.py" "http://127.0.0.1:$PORT" \
	    "https://localhost:$HTTPS_PORT/file" "$DIR/cert.pem" >"$DIR/got"
	same "$DIR/got"
	log_wait 'Established connection'
}

@test "clients: Node fetches a page over HTTPS" {
	need_command node
	https_start
	adit_start
	cat >"$DIR/client.js" <<-'END'
	const [, , proxyPort, port, cert] = process.argv;
	const http = require('http'), https = require('https');
	const ca = require('fs').readFileSync(cert);
	http.request({host: '127.0.0.1', port: proxyPort, method: 'CONNECT',
	    path: `localhost:${port}`}).on('connect', (res, socket) => {
		if (res.statusCode !== 200) process.exit(1);
		https.get({host: 'localhost', path: '/file', ca, agent: false,
		    socket, servername: 'localhost'},
		    (answer) => answer.pipe(process.stdout));
	}).end();
	END
	timeout 60 node "$DIR/client.js" "$PORT" "$HTTPS_PORT" \
	    "$DIR/cert.pem" >"$DIR/got"
	same "$DIR/got"
}

@test "clients: Java opens a tunnel" {
	need_command java
	peer_start srv server skip ping send pong close
	adit_start
	cat >"$DIR/Tunnel.java" <<-'END'
	import java.net.*;
	public class Tunnel {
		public static void main(String[] args) throws Exception {
			Proxy proxy = new Proxy(Proxy.Type.HTTP,
			    new InetSocketAddress("127.0.0.1",
			    Integer.parseInt(args[0])));
			Socket s = new Socket(proxy);
			s.connect(InetSocketAddress.createUnresolved("localhost",
			    Integer.parseInt(args[1])), 60000);
			s.getOutputStream().write("ping".getBytes());
			System.out.print(new String(
			    s.getInputStream().readAllBytes()));
		}
	}
	END
	timeout 120 java "$DIR/Tunnel.java" "$PORT" "$srv_PORT" >"$DIR/got" \
	    2>"$DIR/java.err" || {
		grep -qiE 'compiler|not find or load' "$DIR/java.err" &&
			skip "this java compiles nothing"
		cat "$DIR/java.err"
		false
	}
	[ "$(cat "$DIR/got")" = pong ]
}
