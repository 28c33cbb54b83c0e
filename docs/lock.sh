#!/usr/bin/env bash
# Compile the pinned lists from pyproject.toml. torch keeps its plain version, without a local tag and without the packages
# of one accelerator, so that one file installs on CPU and GPU machines: pip brings what torch itself asks for. Run it with an
# early Python 3.11, as Debian's 3.11.2: a later one may pin what an earlier one cannot install.
set -euo pipefail
cd "$(dirname "$0")/.."
options=(--quiet --strip-extras --no-annotate --no-header --no-emit-options --no-emit-find-links --no-emit-index-url
  --no-emit-trusted-host)
pip-compile "${options[@]}" --output-file requirements.txt pyproject.toml
sed -i -E -e 's/^(torch==[0-9.]+)\+.*/\1/' -e '/^(nvidia-|cuda-|triton)/d' requirements.txt
pip-compile "${options[@]}" --extra dev --constraint requirements.txt --output-file requirements-dev.txt pyproject.toml
sed -i -E -e 's/^(torch==[0-9.]+)\+.*/\1/' -e '/^(nvidia-|cuda-|triton)/d' requirements-dev.txt
sed -i '1i # Pinned by docs/lock.sh from pyproject.toml.' requirements.txt requirements-dev.txt
