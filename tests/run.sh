#!/bin/sh
# Every test, each in the environment that it is for (tests/conftest.py). Arguments go to pytest: tests/run.sh -k parity
# Two lanes at once: whole loops mostly wait, and leave a core to the others. Their output comes when they have ended.
cd "$(dirname "$0")/.." || exit
export OMP_WAIT_POLICY=PASSIVE # threads that spin while they wait would take the other lane's core
lane() { # environments -- pytest's arguments
    failed=
    while [ "$1" != -- ]; do environments="$environments $1"; shift; done
    shift
    for environment in $environments; do
        echo "== tests of the $environment environment"
        "${VISIONLOOP_VENVS:-.venv}/$environment/bin/python" -m pytest tests "$@"
        status=$?
        [ $status -eq 0 ] || [ $status -eq 5 ] || failed="$failed $environment" # 5: -k chose none here
    done
    [ -z "$failed" ] || { echo "failed in:$failed" >&2; return 1; }
}
loops=$(mktemp)
trap 'kill $cli 2>/dev/null; rm -f "$loops"' EXIT
lane cli -- "$@" >"$loops" 2>&1 &
cli=$!
lane data torch airflow -- "$@"
others=$?
wait $cli
status=$?
cat "$loops"
[ $status -eq 0 ] && [ $others -eq 0 ]
