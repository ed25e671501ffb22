#!/bin/sh
# In the first stage of each image: /opt/venv with what its lock in /tmp says and, where there is one, torch's wheel beside it.
# By uv, which takes a sixth of pip's time, with the settings of the building machine's pip.
set -eu
cd /tmp
[ ! -f ca-certificates.crt ] || export PIP_CERT=/tmp/ca-certificates.crt SSL_CERT_FILE=/tmp/ca-certificates.crt
[ -z "${PIP_INDEX_URL:-}" ] || export UV_DEFAULT_INDEX="$PIP_INDEX_URL"
[ -z "${PIP_EXTRA_INDEX_URL:-}" ] || export UV_INDEX="$PIP_EXTRA_INDEX_URL"
export UV_INDEX_STRATEGY=unsafe-best-match # as pip: any index may have the version; by its hash it is the one that was locked
export UV_NO_CACHE=1 UV_COMPILE_BYTECODE=1 UV_HTTP_TIMEOUT="${PIP_DEFAULT_TIMEOUT:-60}"
uv() { /opt/uv/bin/uv pip "$@" -q --python /opt/venv/bin/python; }

python3 -m venv /opt/uv
/opt/uv/bin/pip install -q --no-cache-dir uv==0.13.8
python3 -m venv --without-pip /opt/venv
# a lock is whole but for torch, which some of it asks for: so no dependencies first, and a check last
uv install --no-deps --require-hashes -r requirements.lock
for wheel in torch-*.whl; do [ ! -f "$wheel" ] || uv install "$wheel"; done
uv check
rm -f /opt/venv/.lock # uv's, and everybody may write to it
