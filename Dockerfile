# syntax=docker/dockerfile:1
#
#   docker build --tag spangate .
#   docker build --tag spangate --build-arg PLUGINS="acme-spangate==1.2" .
#
# docs/container.md says how to run it.
ARG PYTHON_IMAGE=python:3.13-slim-trixie

FROM ${PYTHON_IMAGE} AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PIP_ROOT_USER_ACTION=ignore
WORKDIR /src

# Hot modules of the gateway are compiled; the compiler stays in this stage.
RUN apt-get update && apt-get install --yes --no-install-recommends gcc libc6-dev

# Everything is pinned by hash, what builds the image too, and comes as wheels.
COPY requirements-build.lock requirements-runtime.lock ./
RUN python -m venv /opt/build \
 && /opt/build/bin/pip install --quiet --require-hashes --only-binary :all: -r requirements-build.lock -r requirements-runtime.lock \
 && python -m venv --without-pip /opt/spangate \
 && pip --python /opt/spangate/bin/python install --quiet --require-hashes --only-binary :all: -r requirements-runtime.lock

COPY pyproject.toml hatch_build.py README.md LICENSE ./
COPY gateway ./gateway
COPY processors ./processors
COPY exporters ./exporters
RUN /opt/build/bin/python -m hatchling build --target wheel \
 && ls dist/*-linux_*.whl \
 && pip --python /opt/spangate/bin/python install --quiet --no-deps --no-index dist/*.whl

# Packages with plugins: names with versions, or addresses of wheels; separated by blanks.
ARG PLUGINS=""
RUN if [ -n "${PLUGINS}" ]; then pip --python /opt/spangate/bin/python install --quiet ${PLUGINS}; fi \
 && pip --python /opt/spangate/bin/python check \
 && /opt/spangate/bin/spangate components \
 && /opt/build/bin/cyclonedx-py environment --output-format JSON --output-file /opt/spangate/sbom.cdx.json /opt/spangate/bin/python


FROM ${PYTHON_IMAGE}
LABEL org.opencontainers.image.title="Spangate" \
      org.opencontainers.image.description="The OpenTelemetry gateway for MLflow" \
      org.opencontainers.image.source="https://github.com/spangate/spangate" \
      org.opencontainers.image.licenses="Apache-2.0"

# A number, not a name: Kubernetes can then see that it is not root.
RUN groupadd --gid 10001 spangate \
 && useradd --uid 10001 --gid 10001 --no-log-init --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin spangate \
 && install --directory --owner=10001 --group=10001 --mode=0700 /var/lib/spangate \
 && install --directory /etc/spangate/config /etc/spangate/plugins /opt/spangate-plugins
COPY --from=build /opt/spangate /opt/spangate
COPY deploy/container/gateway.yaml /etc/spangate/config/gateway.yaml

# PYTHONPATH: packages in that folder are found as if they were installed.
ENV PATH=/opt/spangate/bin:${PATH} \
    PYTHONPATH=/opt/spangate-plugins \
    PYTHONDONTWRITEBYTECODE=1 \
    SPANGATE_DATA_DIR=/var/lib/spangate \
    HOME=/tmp
USER 10001:10001
WORKDIR /var/lib/spangate
VOLUME /var/lib/spangate
EXPOSE 4317 4318 8888 13133
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s --retries=3 \
  CMD ["python", "-I", "-c", "from http.client import HTTPConnection as C; c = C('127.0.0.1', 13133, timeout=3); c.request('GET', '/ready'); raise SystemExit(c.getresponse().status != 200)"]

# No shell in between: the gateway is process 1 and gets SIGTERM, on which it sends what waits.
ENTRYPOINT ["spangate"]
CMD ["run", "--config", "/etc/spangate/config/gateway.yaml"]
