#!/bin/sh
# backup.sh DATA_DIR COPY [PID]: copies what a gateway keeps, all of it as it is at one moment. See docs/operations.md.
#
# PID is the running gateway, which stands still meanwhile; leave it out where none runs. What is on the disk then is
# what would be there if the gateway had been killed at that moment, and it starts from that without a loss. Clients wait.
# Sealed copies never change once they are in their place, so they are linked, however large they are: COPY must be on the
# same filesystem as DATA_DIR, and not be there yet. Take it elsewhere, then remove it.
set -eu
umask 077
data=$1 copy=$2 pid=${3-}

mkdir "$copy"
if [ -n "$pid" ]; then
	trap 'kill -CONT "$pid"' EXIT # also where something below fails
	trap 'exit 1' HUP INT TERM
	kill -STOP "$pid"
	# A thread may still be at a write that the disk has not ended.
	while grep -L '^State:.T' /proc/"$pid"/task/*/status | grep -q .; do sleep 0.01; done
fi

cp -al "$data/." "$copy"
cd "$copy"
# Nothing but these three is of no use to the next start. What lies in incoming/ tells it which sealed copies nobody was told of.
rm -f lock control.sock
find . -name '*.db-shm' -delete
# What may still be written to must be a file of its own.
find . -type f ! -path './accounts/*/sealed/*' ! -path './accounts/*/incoming/*' | while IFS= read -r file; do
	cp -a "$file" "$file.own"
	mv "$file.own" "$file"
done
