#!/usr/bin/env bash
# The first five minutes in half a minute: a new gateway in a temporary folder, real files pushed by a real client
# (OpenSSH's sftp), the index, a sealed copy opened again, the end. `make demo` runs it.
set -euo pipefail

sealgate=$(realpath "${1:?usage: demo.sh SEALGATE}")
if ! command -v sftp >/dev/null; then
	echo "demo: installing OpenSSH's client" >&2
	sudo=$([ "$(id -u)" = 0 ] || echo sudo)
	$sudo apt-get install -y -q openssh-client >/dev/null 2>&1 ||
		{ $sudo apt-get update -q >/dev/null && $sudo apt-get install -y -q openssh-client >/dev/null; }
fi

work=$(mktemp -d)
gateway=""
finish() {
	[ -z "$gateway" ] || { kill "$gateway" 2>/dev/null && wait "$gateway" || true; }
	rm -rf "$work"
}
trap finish EXIT
cd "$work"

say() { printf '\n\033[1m$ %s\033[0m\n' "$*"; }
show() { say "$@"; "$@"; }

say sealgate init demo
"$sealgate" init demo | tee init.txt
password=$(sed -n 's/.*password: *\([^ ]*\).*/\1/p' init.txt)
cd demo
PATH="$(dirname "$sealgate"):$PATH"
port=$((20000 + RANDOM % 10000)) # one that nobody uses, so that the demo disturbs nobody
while (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; do port=$((port + 1)); done
sed -i "s/127\.0\.0\.1:2022/127.0.0.1:$port/" sealgate.yaml

show sealgate check

say "sealgate serve &"
# Its log goes to a file, and is shown where nobody else is writing.
sealgate serve 2>"$work/serve.log" &
gateway=$!
for _ in $(seq 100); do
	! grep -q ready "$work/serve.log" || break
	kill -0 "$gateway" 2>/dev/null || { cat "$work/serve.log" >&2; exit 1; }
	sleep 0.1
done
shown=0
show_log() { # what is new in it
	printf '\n\033[1m(the log of sealgate serve)\033[0m\n'
	tail -n "+$((shown + 1))" "$work/serve.log"
	shown=$(wc -l <"$work/serve.log")
}

# A customer's side: the password is typed by a small program, the files are a good one, a second one that is cut
# short, and the good one once more.
printf '#!/bin/sh\necho %s\n' "$password" >"$work/askpass"
chmod 700 "$work/askpass"
head -c 1500 sample.xml >"$work/cut.xml"
say "sftp -P $port demo@127.0.0.1"
cat >"$work/batch" <<BATCH
put sample.xml inbox/
-put $work/cut.xml inbox/
-put sample.xml inbox/again.xml
ls -l receipts
BATCH
SSH_ASKPASS="$work/askpass" SSH_ASKPASS_REQUIRE=force DISPLAY=none \
	sftp -q -P "$port" -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o LogLevel=ERROR \
	-o PreferredAuthentications=password -o BatchMode=no -b "$work/batch" demo@127.0.0.1 </dev/null || true
show_log

show sealgate files
id=$(sealgate files --json --verdict accepted | sed -n 's/.*"id":"[0-9A-Z]*\([0-9A-Z]\{8\}\)".*/\1/p' | head -1)
show sealgate show "$id"
show sealgate payments --file "$id"
show sealgate open "$id" --key keys/acme.key --access-key-file keys/acme.access -o out.xml
show cmp sample.xml out.xml
show sealgate verify

say "kill $gateway"
kill "$gateway"
wait "$gateway" || true
gateway=""
show_log
printf '\nThe gateway was in %s; it is removed now. Your own: sealgate init DIR\n' "$work"
