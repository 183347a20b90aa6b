#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# What skerryctl and skerryd say to wrong words, and without an agent: exit
# codes, and errors as `skerryctl: WHAT: VALUE: WHY`, on stderr alone.
set -u
cd "${SKERRY_SOURCE:-$(dirname "$0")/..}" || exit 1
build=${SKERRY_BUILD:-$PWD/build}
dir=$(mktemp -d /tmp/skerry-cli.XXXXXX)
trap 'rm -rf "$dir"' EXIT
count=0
failed=0

ok() { # NAME GOOD
	count=$((count + 1))
	if [ "$2" = yes ]; then
		echo "ok $count - $1"
	else
		failed=$((failed + 1))
		echo "not ok $count - $1"
		sed 's/^/# /' "$dir/out" "$dir/err"
	fi
}

# gives CODE WORDS COMMAND... - ends with CODE and says WORDS on stderr, on
# stdout nothing.
gives() {
	local code=$1 words=$2 got good=yes
	shift 2
	"$@" >"$dir/out" 2>"$dir/err" </dev/null
	got=$?
	echo "exit $got" >>"$dir/err"
	[ $got -eq "$code" ] || good=no
	grep -qF -- "$words" "$dir/err" || good=no
	[ -s "$dir/out" ] && good=no
	ok "${*##*/}: exit $code" $good
}

# prints WORDS COMMAND... - ends with 0, WORDS on stdout, stderr empty.
prints() {
	local words=$1 good=yes
	shift
	"$@" >"$dir/out" 2>"$dir/err" </dev/null || good=no
	grep -qF -- "$words" "$dir/out" || good=no
	[ -s "$dir/err" ] && good=no
	ok "${*##*/}: prints" $good
}

ctl=$build/skerryctl
none=(--run-dir "$dir/none")

gives 2 'a noun is missing' "$ctl"
gives 2 'noun: frob: no such noun' "$ctl" frob
gives 2 'member: frob: no such verb' "$ctl" member frob
gives 2 'member: --frob: no such option' "$ctl" member --frob
gives 2 'member -o: fat: no such format' "$ctl" member -o fat
gives 2 'member join: an address is missing' "$ctl" member join
gives 2 'member join: 10.0.0.1:17281: port 17281 is not the first' \
	"$ctl" member join 10.0.0.1:17281
gives 2 'member leave: x: not expected' "$ctl" member leave x
gives 2 'member remove: a node is missing' "$ctl" member remove
gives 2 'message: no such verb' "$ctl" message
gives 2 'node and endpoint are missing' "$ctl" message send x
gives 2 'message send: x: --key: not a number' "$ctl" message send --key x a b
gives 2 'one of both' "$ctl" message cast --file /dev/null a b text
gives 2 'message listen: one endpoint' "$ctl" message listen
gives 2 'cut: a shape is missing' "$ctl" cut
gives 2 'cut: --for: needs a value' "$ctl" cut a --for
gives 2 'cut: 60: --for: a number without a unit' "$ctl" cut a --for 60
gives 2 'cut: --force=x: takes no value' "$ctl" cut a --force=x
gives 2 'partition inject: star: no such shape' "$ctl" partition inject star a
gives 2 'around: --ttl is missing' "$ctl" partition inject around a
gives 2 'split: two groups' "$ctl" partition inject split a,b
gives 2 'split: two groups' "$ctl" partition inject split a / / b
gives 2 'isolate: one node' "$ctl" partition inject isolate a b
gives 2 'one-way: who is not' "$ctl" cut one-way a
gives 2 'one-way: who is not' "$ctl" cut one-way 'a ->'
gives 2 'halves: nodes to draw from' "$ctl" cut halves a / b
gives 2 'bridge: a node that reaches' "$ctl" cut bridge
gives 2 'matrix: one file' "$ctl" cut matrix
gives 2 'to: one address' "$ctl" cut to
gives 2 '10.0.0.0/33: is no address' "$ctl" cut to 10.0.0.0/33
gives 2 '30: --loss: a share' "$ctl" cut a --loss 30
gives 2 '101%: --loss: a share' "$ctl" cut a --loss 101%
gives 2 'partition verify: maybe: --expect' "$ctl" partition verify \
	--expect maybe
gives 2 'partition: wide: -o' "$ctl" partition -o wide
gives 2 'partition: frob: no such verb' "$ctl" partition frob
gives 2 'heal: x: not expected' "$ctl" heal --all x
gives 2 'event: x: no such verb' "$ctl" event x
gives 2 'kernel: x: no such verb' "$ctl" kernel x
gives 2 'peer: x: no such verb' "$ctl" peer x
gives 2 'cluster: frob: no such verb' "$ctl" cluster frob
gives 2 'cluster discovery: x: not expected' "$ctl" cluster discovery x
gives 2 'status: x: not expected' "$ctl" status x
gives 2 '--timeout: needs a value' "$ctl" status --timeout
gives 2 'options: 5: --timeout: a number without a unit' \
	"$ctl" --timeout 5 status

for noun in status member peer connection channel endpoint partition event \
	kernel 'message send a b text' 'message listen e' 'cut a' 'heal' \
	'heal --all' 'member join 127.0.0.1' 'member leave' \
	'partition inject split a,b / c --for 5s' 'status --features' \
	'kernel rules' 'event --follow' 'member remove a'; do
	# shellcheck disable=SC2086
	gives 8 'skerryctl: open: ' "$ctl" $noun "${none[@]}"
done
gives 8 'nosuch' "$ctl" --node nosuch "${none[@]}" member

prints 'skerryctl ' "$ctl" --version
prints 'Exit codes: 0 done' "$ctl" --help
for noun in status member peer connection channel endpoint message partition \
	event kernel cluster cut heal; do
	prints "usage: skerryctl $noun" "$ctl" "$noun" --help
done

# A key: its mode, its form, never overwritten by accident.
good=no
"$ctl" cluster keygen "$dir/key" 2>"$dir/err" >"$dir/out" &&
	[ "$(stat -c %a "$dir/key")" = 600 ] &&
	grep -qxE '[0-9a-f]{64}' "$dir/key" && good=yes
ok "keygen writes a key of mode 0600" $good
before=$(cat "$dir/key")
gives 5 'there is a file already' "$ctl" cluster keygen "$dir/key"
good=no
[ "$before" = "$(cat "$dir/key")" ] && good=yes
ok "which is as it was" $good
good=no
"$ctl" cluster keygen --force "$dir/key" 2>"$dir/err" >"$dir/out" &&
	[ "$before" != "$(cat "$dir/key")" ] &&
	[ "$(ls "$dir")" = "$(printf 'err\nkey\nout')" ] && good=yes
ok "until --force" $good
good=no
"$ctl" cluster keygen - >"$dir/out" 2>"$dir/err" &&
	grep -qxE '[0-9a-f]{64}' "$dir/out" && good=yes
ok "keygen to stdout" $good
gives 1 'No such file' "$ctl" cluster keygen "$dir/none/key"

# A full disk behind stdout is not success.
good=no
"$ctl" --help >/dev/full 2>"$dir/err" || good=yes
ok "a full disk behind stdout: not 0" $good

# The agent, as far as it goes without becoming one.
prints 'skerryd ' "$build/skerryd" --version
prints '--detector-down_after' "$build/skerryd" --help
printf '[cluster]\nkey_file = %s\n[listen]\naddress = 10.0.0.1\n' "$dir/key" \
	>"$dir/conf"
good=no
"$build/skerryd" --check-config --config "$dir/conf" >"$dir/out" \
	2>"$dir/err" && good=yes
ok "a good configuration: exit 0" $good
# What the texts show as a configuration is one, with our key.
shown() { # NAME FILE FIRST-LINE LAST-LINE
	local good=no
	awk -v first="$3" -v last="$4" '$0 == last && on { exit }
		on { print } $0 == first { on = 1 }' "$2" |
		sed "s|^key_file = [^ ]*|key_file = $dir/key|" >"$dir/shown"
	grep -q "^key_file = $dir/key" "$dir/shown" &&
		"$build/skerryd" --check-config --config "$dir/shown" \
			>"$dir/out" 2>"$dir/err" && good=yes
	ok "$1" $good
}
shown "the configuration in README.md is good" README.md '```ini' '```'
sed '1,/^The settings of a node/d' tools/man/skerry.conf.5 >"$dir/example"
shown "the one in skerry.conf(5) too" "$dir/example" \
	'.Bd -literal -offset indent' '.Ed'
gives 2 "$dir/nosuch" "$build/skerryd" --config "$dir/nosuch"
gives 2 'skerryd: --frob: no such flag' "$build/skerryd" --frob
chmod 640 "$dir/key"
gives 2 "$dir/conf:2: key_file: $dir/key: open to others (mode 0640)" \
	"$build/skerryd" --check-config --config "$dir/conf"

# Every key is in the manual, and every noun.
"$build/skerryd" --help | sed '1,/^Key k/d' |
	sed -n 's/^  --[a-z]*-\([a-z_]*\) .*/\1/p
		s/^  --channel NAME:\([a-z]*\)=.*/\1/p' | sort -u >"$dir/keys"
: >"$dir/out"
good=yes
while read -r key; do
	grep -qx "\.It Ic $key" tools/man/skerry.conf.5 ||
		{ good=no; echo "skerry.conf.5: $key" >>"$dir/out"; }
done <"$dir/keys"
[ "$(wc -l <"$dir/keys")" -ge 20 ] || good=no
ok "skerry.conf(5) has every key" $good
good=yes
"$ctl" --help | sed -n 's/^  \([a-z][a-z]*\)  .*/\1/p' >"$dir/nouns"
while read -r noun; do
	grep -qx "\.Ss $noun" tools/man/skerryctl.1 ||
		{ good=no; echo "skerryctl.1: $noun" >>"$dir/out"; }
	grep -qE "(^|[^a-z])$noun([^a-z]|$)" tools/completion/skerryctl.bash ||
		{ good=no; echo "completion: $noun" >>"$dir/out"; }
done <"$dir/nouns"
[ "$(wc -l <"$dir/nouns")" -eq 13 ] || good=no
ok "skerryctl(1) and the completion have every noun" $good

# Completion, with a table to complete from.
cat >"$dir/skerryctl" <<'END'
#!/bin/sh
printf 'NAME  STATE\nalpha@x  up\nbeta@x  up\n'
END
chmod 755 "$dir/skerryctl"
# shellcheck source=tools/completion/skerryctl.bash
. tools/completion/skerryctl.bash
completes() { # WANTED WORD...
	local wanted=$1 good=no
	shift
	COMP_WORDS=(skerryctl "$@")
	COMP_CWORD=$#
	PATH=$dir:$PATH _skerryctl
	printf '%s\n' "${COMPREPLY[@]}" >"$dir/out"
	: >"$dir/err"
	[ "${COMPREPLY[*]}" = "$wanted" ] && good=yes
	ok "completion of: $*" $good
}
completes 'member message' me
completes 'join' member j
completes '--wait' member join --w
completes 'alpha@x' member remove al
completes 'beta@x' --node n1 cut be
completes 'majorities-ring' partition explain majorities
completes 'verify' partition v
completes 'healed' partition verify x --expect h
completes 'keygen' cluster k
completes 'discovery' cluster d
completes 'wire' partition inject isolate a --visibility w
completes '5s 5m' cut a --for 5

echo "1..$count"
exit $((failed > 0))
