#!/bin/sh
# mypy --strict, each part against the packages of the environment that it runs in; then the walls between the rooms.
cd "$(dirname "$0")/.." || exit
venvs=${VISIONLOOP_VENVS:-.venv}
failed=
check() { # environment, paths…
    environment=$1; shift
    "$venvs/cli/bin/mypy" --python-executable "$venvs/$environment/bin/python" --cache-dir ".mypy_cache/$environment" "$@" || failed=yes
}
steps_of() { grep -l "^image = \"$1\"" tasks/*/step.toml | xargs -n1 dirname; }
# shellcheck disable=SC2046
{
    # what they import of include is checked once, where its packages are
    check airflow --follow-imports silent plugins dags include/monitoring images/airflow/*.py
    check data include/artifacts include/checks include/definitions include/formats include/labelling include/spot_checks include/step include/storage include/versions include/*.py $(steps_of data)
    check torch --follow-imports silent include/detector $(steps_of torch)
    check cli --follow-imports silent cli images/*.py
}
PYTHONPATH=.:plugins "$venvs/cli/bin/lint-imports" --no-cache || failed=yes
[ -z "$failed" ]
