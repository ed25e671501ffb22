#!/bin/sh
# A Docker engine that answers, Compose, and a base image for the steps, on a Debian 12 machine that has neither. As root; safe to repeat.
#
#     .ci/docker-engine.sh              installs Debian's engine, starts it, makes visionloop-base:bookworm
#     kill "$(cat /var/run/docker.pid)" stops it
#
# The base image is Debian's Python from this machine's own apt mirror: no image registry is asked.
set -eu
BASE_IMAGE=visionloop-base:bookworm
LOG=/var/log/dockerd.log
PID_FILE=/var/run/docker.pid # dockerd writes it
DOCKER=/usr/bin/docker       # Debian's client; a newer one on the PATH may have no builder

give_up() { echo "docker-engine.sh: $1" >&2; exit 1; }
answers() { $DOCKER info >/dev/null 2>&1; }

[ "$(id -u)" = 0 ] || give_up "needs root, to install and start the engine"

if ! { [ -x $DOCKER ] && [ -x /usr/sbin/dockerd ] && [ -x /usr/bin/docker-compose ] && [ -x /usr/sbin/debootstrap ]; }; then
    apt-get update -q
    apt-get install -q -y --no-install-recommends docker.io docker-compose debootstrap
fi

if ! answers; then
    setsid nohup dockerd --pidfile $PID_FILE >$LOG 2>&1 </dev/null &
    tries=120
    until answers; do
        tries=$((tries - 1))
        kill -0 $! 2>/dev/null && [ $tries -gt 0 ] || give_up "dockerd does not answer; the end of $LOG: $(tail -5 $LOG)"
        sleep 0.5
    done
fi

if ! $DOCKER image inspect $BASE_IMAGE >/dev/null 2>&1; then
    # shellcheck disable=SC2016 # apt's own placeholders
    mirror=$(apt-get indextargets --format '$(REPO_URI) $(RELEASE) $(COMPONENT)' "Created-By: Packages" |
        awk '$2 == "bookworm" && $3 == "main" { print $1; exit }')
    [ -n "$mirror" ] || give_up "this machine's apt sources name no mirror of Debian bookworm"
    root=$(mktemp -d)
    trap 'rm -rf --one-file-system "$root" "$root.log"' EXIT
    debootstrap --variant=minbase --include=ca-certificates,python3,python3-venv,python3-pip \
        bookworm "$root" "$mirror" >"$root.log" 2>&1 || give_up "debootstrap failed: $(tail -5 "$root.log")"
    rm -rf "$root"/var/cache/apt/archives/*.deb "$root"/var/lib/apt/lists/*
    tar -C "$root" -c . | $DOCKER import - $BASE_IMAGE >/dev/null
fi
pid=$(cat $PID_FILE 2>/dev/null || echo unknown)
echo "engine $($DOCKER version --format '{{.Server.Version}}'), pid $pid, base image $BASE_IMAGE"
