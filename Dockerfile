# The base is pinned by tag so that a rebuild brings its security fixes; what Python installs is pinned
# by hash. Give --build-arg BASE=python:3.13-slim@sha256:... where the base must be fixed as well, and
# --build-arg EXTRAS="azure bedrock push" for the credentials of clouds (Entra tokens; AWS profiles, SSO and roles)
# and for sending series by OTLP.
ARG BASE=python:3.13-slim

FROM ${BASE} AS build
ARG EXTRAS=
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PIP_ROOT_USER_ACTION=ignore
WORKDIR /src

COPY requirements*.txt ./
RUN python -m venv --without-pip /opt/inference-exporter \
    && pip --python /opt/inference-exporter/bin/python install \
        --no-compile --require-hashes --only-binary :all: -r requirements.txt \
        $(for extra in ${EXTRAS}; do echo "-r requirements-$extra.txt"; done) \
    && pip install --require-hashes --only-binary :all: -r requirements-build.txt

COPY pyproject.toml README.md LICENSE ./
COPY exporter ./exporter
# Bytecode that is never checked against its source needs neither timestamps nor a writable disk.
RUN pip wheel --no-deps --no-index --no-build-isolation --wheel-dir /tmp/wheel . \
    && pip --python /opt/inference-exporter/bin/python install \
        --no-compile --no-deps --no-index /tmp/wheel/*.whl \
    && python -m compileall -q --invalidation-mode unchecked-hash /opt/inference-exporter/lib

FROM ${BASE}
LABEL org.opencontainers.image.title="inference-exporter" \
      org.opencontainers.image.description="A Prometheus exporter that measures LLM inference the way its users feel it" \
      org.opencontainers.image.licenses="Apache-2.0"
ENV PATH=/opt/inference-exporter/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1
# The base has no bytecode of the standard library. Each start, and each health check, would compile it again.
RUN python -m compileall -q --invalidation-mode unchecked-hash -x /site-packages/ \
    "$(python -c 'import sysconfig; print(sysconfig.get_path("stdlib"))')"
COPY --from=build /opt/inference-exporter /opt/inference-exporter

# A number, so that Kubernetes can tell that it is not root.
USER 65532:65532
WORKDIR /
EXPOSE 9850
STOPSIGNAL SIGTERM
# For the default port without TLS; Kubernetes has its own probes. http.client heeds no proxy variables.
HEALTHCHECK --interval=15s --timeout=5s --start-period=10s CMD ["python", "-I", "-c", \
    "import http.client as h; c = h.HTTPConnection('127.0.0.1', 9850, timeout=4); c.request('GET', '/-/healthy'); raise SystemExit(c.getresponse().status != 200)"]
ENTRYPOINT ["inference-exporter"]
CMD ["run", "--config", "/etc/inference-exporter/config.yaml"]
