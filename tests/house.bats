#!/usr/bin/env bats
# How the source is laid out: what a file may know, and how large things grow.

load helper

TOP=$BATS_TEST_DIRNAME/..

# house CHECK: nothing is wrong with the source, or the test is skipped.
house() {
	local status=0

	sh "$TOP/tests/house" "$@" >"$DIR/house" 2>&1 || status=$?
	[ "$status" != 77 ] || skip "$(tail -n 1 "$DIR/house")"
	cat "$DIR/house"
	return "$status"
}

# finds CHECK LINE...: in the source in $DIR/top these are wrong, among others.
finds() {
	local line check=$1 status=0

	sh "$TOP/tests/house" -C "$DIR/top" "$check" >"$DIR/found" 2>&1 ||
		status=$?
	[ "$status" != 77 ] || skip "$(tail -n 1 "$DIR/found")"
	for line in "${@:2}"; do
		grep -qF -e "$line" "$DIR/found" || {
			echo "does not find: $line"
			cat "$DIR/found"
			return 1
		}
	done
	[ "$status" = 1 ]
}

# source_file NAME: writes a file of $DIR/top from standard input.
source_file() {
	mkdir -p "$DIR/top/tests" "$(dirname "$DIR/top/$1")"
	cat >"$DIR/top/$1"
}

# objects: compiles them and lists them in a Makefile.
objects() {
	local file objects=()

	cd "$DIR/top"
	for file in *.c */*.c; do
		[ -e "$file" ] || continue
		$CC -c -o "${file%.c}.o" "$file"
		objects+=("${file%.c}.o")
	done
	printf 'OBJS = %s \\\n\t%s\n' "${objects[0]}" "${objects[*]:1}" \
	    >Makefile
}

setup() {
	common_setup
	: "${CC:=cc}"
	need_command "${CC%% *}"
	export CC
}

@test "house: no files use each other in a circle, and no room uses what it must not" {
	need_command nm
	[ "$ADIT" -ef "$TOP/adit" ] || skip "needs the objects of $ADIT"
	house arrows
}

@test "house: a circle and an arrow upward are found" {
	need_command nm
	source_file base/a.c <<-'END'
	int b(void), c(void);
	int a(void);
	int a(void) { return b() + c(); }
	END
	source_file base/b.c <<-'END'
	int parse(void);
	int b(void);
	int b(void) { return parse(); }
	END
	source_file parse.c <<-'END'
	int a(void);
	int parse(void);
	int parse(void) { return a(); }
	END
	source_file ipc/c.c <<-'END'
	int a(void), abs(int);
	int c(void);
	int c(void) { return abs(a()); }
	END
	source_file shed/d.c <<-'END'
	int a(void);
	int d(void);
	int d(void) { return a(); }
	END
	objects
	finds arrows "a circle of 4 files: parse.c base/a.c base/b.c ipc/c.c" \
	    "    base/a.c uses c of ipc/c.c" \
	    "base/a.c uses c of ipc/c.c, but base may not use ipc" \
	    "base/b.c uses parse of parse.c, but base may not use http" \
	    "shed/d.c: no rule says what shed/ may use"
	fails grep -q abs "$DIR/found"
	fails grep -q 'parse.c uses a of base/a.c, but' "$DIR/found"
}

@test "house: each file and each header compiles with what its room may know" {
	house includes
}

@test "house: an include from above, and a header that needs another, are found" {
	source_file base/a.h <<<'size_t a(void);'
	source_file base/b.c <<-'END'
	#include "c.h"
	END
	source_file ipc/c.h <<<'#include <stddef.h>'
	source_file parse.c <<<'#include "c.h"'
	source_file worker.c <<<'#include "c.h"'
	source_file proxy.c <<<'#include "c.h"'
	finds includes "base/b.c:1:" "base may know only base" \
	    "base/a.h:1:1:" "a header of base must compile alone" \
	    "parse.c:1:" "http may know only http base"
	fails grep -qE '^(ipc|worker|proxy|conn|main)' "$DIR/found"
}

@test "house: headers and functions stay short, and few files know the large structs" {
	house sizes
}

@test "house: a long header, a long function, and a struct that many name are found" {
	local i

	seq 201 | source_file base/long.h
	source_file proxy.h <<-'END'
	/* struct conf */
	#ifndef PROXY_H
	#define PROXY_H
	#include "long.h"
	#define LIMIT 1
	#endif
	END
	{
		echo 'static const int t[] = {'
		echo '};'
		echo int
		echo 'f(void)'
		echo '{'
		printf '\tg();\n%.0s' {1..58}
		echo '}'
		echo 'static int'
		echo 'g(void)'
		echo '{'
		printf '\tg();\n%.0s' {1..57}
		echo '}'
	} | source_file base/long.c
	for i in {1..17}; do
		source_file "conn/f$i.c" <<-'END'
		/* struct conf */
		struct conf_error;
		struct conn
		*c;
		END
	done
	finds sizes "base/long.h has 201 lines" \
	    "proxy.h:5:#define LIMIT 1" \
	    "base/long.c: f() has 61 lines" "half of the functions" \
	    "95 % of the functions" "struct conn is named in 17 files"
	fails grep -qE 'g\(\)|struct conf ' "$DIR/found"
}

@test "house: the types of errors stand in one file" {
	house types
}

@test "house: the type of an error elsewhere is found" {
	source_file http/refusal.c <<<'const char *t = "connection_refused";'
	source_file conn/a.c <<-'END'
	/* "connection_refused" */
	int connection_refused;
	const char *s = "/* ", *t = "dns_error; rcode=\"X\"", *u = "*/";
	END
	finds types 'conn/a.c:3: "dns_error; rcode=\"X\"" belongs in http/refusal.c'
	[ "$(grep -c . "$DIR/found")" = 1 ]
}

@test "house: README, Makefile and folders know the same rooms and files" {
	house names
}

@test "house: a file that the Makefile forgets, and a room that the README does, are found" {
	source_file Makefile <<-'END'
	ROOMS = -Ibase \
		-Iattic
	BASE = base/a.o
	OBJS = $(BASE) base/gone.o
	END
	source_file README.md <<-'END'
	| room | what it is for |
	|---|---|
	| `base/` | this |
	| `cellar/`, `parse.c` | that |

	| `other` | table |
	END
	source_file base/a.c <<<''
	source_file base/b.c <<<''
	source_file shed/c.c <<<''
	finds names "README's table does not name: shed" \
	    "the README's table has cellar/, which does not exist" \
	    "the README's table has parse.c, which does not exist" \
	    "Makefile's ROOMS do not name: shed" \
	    "in the Makefile's ROOMS, and no folder: attic" \
	    "a room without a rule what it may use: shed" \
	    "leave out: base/b.c" "and no file: base/gone.c"
	fails grep -q other "$DIR/found"
}
