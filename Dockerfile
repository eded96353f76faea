# The images of docker-compose.yml; docs/deployment.md tells of them.
#
#   runtime   workers on a CPU, and the command line: no torch, no compiler, no pip in its environment
#   gpu       the same with Intel's runtime for its GPUs
#   convert   with torch, to make model folders
#   flower    Celery's web page, without OpenVINO
#
# Python and Debian are those that the tests run on. To pin the base to the byte, add the digest that
# `docker buildx imagetools inspect` shows for it.

FROM python:3.11.15-slim-bookworm AS python
ENV PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1

# What builds stays in its own stages; only /opt/askpix goes on from them.
FROM python AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 \
    PIP_ROOT_USER_ACTION=ignore
COPY deploy/requirements /build/requirements
RUN --mount=type=cache,target=/root/.cache/pip \
    python -m venv /build/tools \
    && /build/tools/bin/python -m pip install --require-hashes --only-binary :all: -r /build/requirements/build.txt
COPY pyproject.toml README.md LICENSE /build/askpix/
COPY producer /build/askpix/producer
COPY worker /build/askpix/worker
RUN /build/tools/bin/python -m pip wheel --no-deps --no-build-isolation --wheel-dir /build/wheels /build/askpix

FROM build AS build-runtime
RUN --mount=type=cache,target=/root/.cache/pip \
    python -m venv --without-pip /opt/askpix \
    && /build/tools/bin/python -m pip --python /opt/askpix/bin/python install --require-hashes --only-binary :all: \
       -r /build/requirements/runtime.txt \
    && /build/tools/bin/python -m pip --python /opt/askpix/bin/python install --no-deps --no-index /build/wheels/*.whl

FROM build AS build-flower
RUN --mount=type=cache,target=/root/.cache/pip \
    python -m venv --without-pip /opt/askpix \
    && /build/tools/bin/python -m pip --python /opt/askpix/bin/python install --require-hashes --only-binary :all: \
       -r /build/requirements/flower.txt \
    && /build/tools/bin/python -m pip --python /opt/askpix/bin/python install --no-deps --no-index /build/wheels/*.whl

FROM build AS build-convert
# The package index has torch with gigabytes for GPUs that are of no use here; torch's own has it for CPUs.
ARG TORCH_INDEX=https://download.pytorch.org/whl/cpu
COPY constraints.txt /build/constraints.txt
RUN --mount=type=cache,target=/root/.cache/pip \
    python -m venv --without-pip /opt/askpix \
    && /build/tools/bin/python -m pip --python /opt/askpix/bin/python install --require-hashes --only-binary :all: \
       --no-deps -r /build/requirements/convert.txt \
    && /build/tools/bin/python -m pip --python /opt/askpix/bin/python install --no-deps --only-binary :all: \
       --index-url "${TORCH_INDEX}" -c /build/constraints.txt torch \
    && /build/tools/bin/python -m pip --python /opt/askpix/bin/python install --no-deps --no-index /build/wheels/*.whl

# A user with a number and nothing else, and the folders that volumes are mounted over as its own.
FROM python AS user
RUN groupadd --gid 10001 askpix \
    && useradd --uid 10001 --gid askpix --no-create-home --home-dir /nowhere --shell /usr/sbin/nologin askpix \
    && install --directory --owner askpix --group askpix /models /var/cache/askpix
ENV PATH=/opt/askpix/bin:$PATH \
    ASKPIX_MODEL_CACHE=/var/cache/askpix
USER 10001:10001
ENTRYPOINT ["askpix"]
CMD ["--help"]

FROM user AS flower
COPY --from=build-flower /opt/askpix /opt/askpix
EXPOSE 5555
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s --retries=3 \
    CMD ["python", "-I", "-c", "from urllib.request import urlopen; urlopen('http://127.0.0.1:5555/healthcheck', timeout=4)"]

FROM user AS convert
COPY --from=build-convert /opt/askpix /opt/askpix

FROM user AS runtime
COPY --from=build-runtime /opt/askpix /opt/askpix
EXPOSE 8080
# A worker that is still loading its model, or has lost its broker or storage, answers 503, which urlopen raises.
HEALTHCHECK --interval=10s --timeout=5s --start-period=120s --retries=3 \
    CMD ["python", "-I", "-c", "from urllib.request import urlopen; urlopen('http://127.0.0.1:8080/readyz', timeout=4)"]

FROM runtime AS gpu
USER 0:0
# Packages of Intel's that are newer than Debian's, for GPUs newer than 2022: see deploy/gpu/README.md.
COPY deploy/gpu /build/gpu
SHELL ["/bin/bash", "-o", "pipefail", "-c"]
# hadolint ignore=DL3008
RUN apt-get update \
    && find /build/gpu -name '*.deb' | sort > /build/packages \
    && { test -s /build/packages || echo intel-opencl-icd > /build/packages; } \
    && xargs --arg-file=/build/packages apt-get install --yes --no-install-recommends ocl-icd-libopencl1 \
    && rm -rf /var/lib/apt/lists/* /build
USER 10001:10001
