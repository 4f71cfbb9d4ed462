#!/usr/bin/env bash
# Train a recipe on a bare machine: Python 3.12 or so, PyTorch with CUDA, numpy, safetensors, tokenizers; nothing else.
#
#   OUT=results scripts/gpu_train.sh --recipe small --minutes 9.3            # first call
#   OUT=results scripts/gpu_train.sh --recipe small --minutes 9.3 --last     # last call: the learning rate falls to 0
#
# Options are those of scripts/gpu_train.py. PYTHON names another interpreter.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
export PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 TOKENIZERS_PARALLELISM=false OMP_NUM_THREADS="${OMP_NUM_THREADS:-4}"
exec "${PYTHON:-python3}" -m scripts.gpu_train "$@"
