#!/bin/sh
# The report of the week: report.html for the meeting, report.md for the ticket, report.json for your own scripts.
#
#   PROMETHEUS=http://prometheus:9090 REQUESTS_PER_DAY=50000 ./report.sh
set -eu
exec inference-exporter compare \
    --prometheus "${PROMETHEUS:?the URL of your Prometheus}" --since "${SINCE:-7d}" \
    --baseline current --candidate offered --requests-per-day "${REQUESTS_PER_DAY:-10000}" \
    --html report.html --markdown report.md --json report.json
