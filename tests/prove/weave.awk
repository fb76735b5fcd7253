# Writes a source with the contracts of its functions in it; see proofs.
# usage: awk -f weave.awk -v source=FILE contracts FILE

# The file with the contracts comes first.
FNR == NR && /^#|^$/ { next }
FNR == NR && !/^[ \t]/ {
	ours = $1 == source || $1 == "loop" && ours
	if ($1 != "loop") {
		name = $2
		loop = 0
		if (ours)
			wanted[name] = 1
	} else
		loop++
	next
}
FNR == NR {
	if (ours)
		text[name, loop] = text[name, loop] "\n" $0
	if (ours && loop > loops[name])
		loops[name] = loop
	next
}

# The contract of a function stands before its type, on a line of its own.
{
	name_here = $0
	sub(/\(.*/, "", name_here)
	if (/^[a-z_0-9]+\(/ && name_here in wanted && held != "") {
		inside = name_here
		n = 0
		delete wanted[inside]
		print "/*@" text[inside, 0] " */"
	}
	if (held_any)
		print held
	if (inside != "" && /^\t+(for|while|do)( |$)/ && ++n <= loops[inside])
		print "/*@" text[inside, n] " */"
	if (/^}/ && inside != "") {
		if (n != loops[inside] + 0) {
			print source ": " inside " has " n " loops" >"/dev/stderr"
			bad = 1
		}
		inside = ""
	}
	held = $0
	held_any = 1
}

END {
	print held
	for (name in wanted) {
		print source ": there is no " name >"/dev/stderr"
		bad = 1
	}
	exit bad
}
