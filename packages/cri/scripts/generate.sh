#!/bin/sh
# Regenerates src/generated. With the path of k8s.io/cri-api's api.proto as argument, takes that one in first.
set -eu
cd "$(dirname "$0")/.."
if [ $# -gt 0 ]; then node src/tools/trim-proto.ts "$1" proto/runtime/v1/api.proto; fi
PATH="$PWD/../../node_modules/.bin:$PATH"
buf generate
