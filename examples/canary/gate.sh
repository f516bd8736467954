#!/bin/sh
# May the canary go on? Exit code 0 says yes; 1 says that a measure is worse, or that there are too few probes yet.
#
#   PROMETHEUS=http://prometheus:9090 SINCE=2h ./gate.sh
#
# A step of a pipeline, or the analysis of a progressive rollout, calls it until it says yes, or gives up.
set -eu
exec inference-exporter compare \
    --prometheus "${PROMETHEUS:?the URL of your Prometheus}" --since "${SINCE:-2h}" \
    --baseline stable --candidate canary --probe short \
    --measure ttft_typical --measure tpot_typical --measure success \
    --margin ttft_typical=0.15 --margin tpot_typical=0.15 --margin success=0.05 \
    --fail-on worse --fail-on not-enough-data
