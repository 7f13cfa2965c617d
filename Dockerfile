# The gateway in a container: built in one image, run in a bare one.
#
#   docker build -t wardgate .
#   docker run -p 127.0.0.1:8080:8080 wardgate demo --listen 0.0.0.0:8080
#   docker run -p 8080:8080 -v ./gateway.toml:/etc/wardgate/gateway.toml:ro -v wardgate:/var/lib/wardgate \
#       -e OPENAI_API_KEY wardgate
#
# Inside, gateway.toml listens on 0.0.0.0:8080 and keeps its log in /var/lib/wardgate/audit.
FROM rust:1.95-bookworm AS build
RUN apt-get update && apt-get install -y --no-install-recommends cmake && rm -rf /var/lib/apt/lists/*
WORKDIR /src
COPY . .
RUN cargo build --release --locked

FROM debian:bookworm-slim
RUN apt-get update && apt-get install -y --no-install-recommends ca-certificates \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --system --home-dir /var/lib/wardgate --create-home wardgate
COPY --from=build /src/target/release/wardgate /usr/local/bin/wardgate
COPY --from=build /src/LICENSE /src/NOTICE /usr/share/doc/wardgate/
USER wardgate
WORKDIR /var/lib/wardgate
VOLUME /var/lib/wardgate
EXPOSE 8080
ENTRYPOINT ["wardgate"]
CMD ["serve", "--config", "/etc/wardgate/gateway.toml"]
