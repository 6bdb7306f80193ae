# The hub's image: its parts only; Kafka and PostgreSQL are other containers (docker-compose.yml) or a cluster.
FROM python:3.11-slim AS packages
RUN apt-get update && apt-get install -y --no-install-recommends gcc libc6-dev
COPY requirements.lock /src/
RUN python -m venv /opt/hub && /opt/hub/bin/pip install --no-cache-dir --require-hashes -r /src/requirements.lock
COPY video /src/video
RUN cd /src && /opt/hub/bin/python -m video.plane.compiled

FROM python:3.11-slim
RUN useradd --create-home --uid 10001 hub && install -d -o hub -g hub /var/lib/hub
COPY --from=packages /opt/hub /opt/hub
COPY pyproject.toml /src/
COPY schemas /src/schemas
COPY config /src/config
COPY pipelines /src/pipelines
COPY connectors /src/connectors
COPY video /src/video
COPY hub /src/hub
RUN /opt/hub/bin/pip install --no-deps --no-build-isolation -e /src
USER hub
VOLUME /var/lib/hub
# The gateway, the sandbox, and of each bridge that [video] bridges may ask for its pages and its media (config/ports.py).
EXPOSE 8080 8090 8082 8113-8119 7300-7307/tcp 7300-7307/udp
HEALTHCHECK --interval=10s --timeout=3s CMD ["/opt/hub/bin/hub", "status", "--dir", "/var/lib/hub", "--json"]
ENTRYPOINT ["/opt/hub/bin/hub"]
CMD ["up", "--dir", "/var/lib/hub"]
