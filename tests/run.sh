#!/bin/sh
# Every test, each in the environment that it is for (tests/conftest.py). Arguments go to pytest: tests/run.sh -k parity
cd "$(dirname "$0")/.." || exit
failed=
for environment in cli data torch airflow; do
    echo "== tests of the $environment environment"
    "${VISIONLOOP_VENVS:-.venv}/$environment/bin/python" -m pytest tests "$@"
    status=$?
    [ $status -eq 0 ] || [ $status -eq 5 ] || failed="$failed $environment" # 5: -k chose none here
done
[ -z "$failed" ] || { echo "failed in:$failed" >&2; exit 1; }
