#!/bin/sh
# Write images/*/requirements.lock from requirements.txt (versions) and images/*/requirements.in (who gets what).
# torch and its CUDA packages stay out of the lock: which build to take is decided where it is installed (images/install.py).
set -eu
cd "$(dirname "$0")"
cuda=$(for p in cublas cuda-cupti cuda-nvrtc cuda-runtime cudnn-cu13 cufft cufile curand cusolver cusparse cusparselt-cu13 nccl-cu13 nvjitlink nvshmem-cu13 nvtx; do
    printf -- '--no-emit-package nvidia-%s ' "$p"; done)
pins=$(mktemp)
trap 'rm -f "$pins"' EXIT
for image in */requirements.in; do
    # A pin holds where a package is asked for by name: the MLflow server brings an older pyarrow than ours along
    sed 's/ *#.*//; /^$/d; s/.*/^&==/' "$image" | grep -f - ../requirements.txt >"$pins"
    # shellcheck disable=SC2086
    ../.venv/uv/bin/uv pip compile -q --python-version 3.11 --universal --generate-hashes --no-header --no-annotate \
        -c "$pins" --no-emit-package torch --no-emit-package triton --no-emit-package cuda-bindings --no-emit-package cuda-pathfinder --no-emit-package cuda-toolkit $cuda \
        "$image" -o "${image%.in}.lock"
done
