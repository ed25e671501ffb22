#!/bin/sh
# Every test, each in the environment that it is for (tests/conftest.py). Arguments go to pytest: tests/run.sh -k parity
# Two lanes at once: whole loops mostly wait, and leave a core to the others. The lane that is done first takes what loops are left.
# The loops' output comes when they have ended.
cd "$(dirname "$0")/.." || exit
export OMP_WAIT_POLICY=PASSIVE # as steps have it: threads that spin while they wait would take the other lane's core
failed=
run() { # environment, pytest's arguments
    environment=$1
    shift
    echo "== tests of the $environment environment"
    "${VISIONLOOP_VENVS:-.venv}/$environment/bin/python" -m pytest --durations=10 --durations-min=20 "$@"
    status=$?
    [ $status -eq 0 ] || [ $status -eq 5 ] || failed="$failed $environment" # 5: -k chose none here
}
claims=$(mktemp -d)
loops() { # those that no lane has begun, the longest file first: it takes longest
    for file in $(ls -S tests/end_to_end/test_*.py); do
        if mkdir "$claims/${file##*/}" 2>/dev/null; then run cli "$file" "$@"; fi
    done
}
trap 'kill $lane 2>/dev/null; rm -rf "$claims"' EXIT
(
    trap - EXIT
    loops "$@"
    [ -z "$failed" ]
) >"$claims/output" 2>&1 &
lane=$!
for environment in data torch airflow; do run "$environment" tests "$@"; done
run cli tests --ignore tests/end_to_end "$@"
loops "$@"
wait $lane || failed="$failed loops"
cat "$claims/output"
[ -z "$failed" ] || echo "failed in:$failed" >&2
[ -z "$failed" ]
