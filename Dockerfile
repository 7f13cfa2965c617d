# The gateway in a container: built in one image, run in a bare one.
FROM rust:1.95-bookworm AS build
RUN apt-get update && apt-get install -y --no-install-recommends cmake && rm -rf /var/lib/apt/lists/*
WORKDIR /src
COPY . .
RUN cargo build --release --locked

FROM debian:bookworm-slim
RUN apt-get update && apt-get install -y --no-install-recommends ca-certificates \
    && rm -rf /var/lib/apt/lists/* && useradd --system --create-home wardgate
COPY --from=build /src/target/release/wardgate /usr/local/bin/wardgate
COPY --from=build /src/policies /etc/wardgate/policies
COPY --from=build /src/LICENSE /src/NOTICE /usr/share/doc/wardgate/
USER wardgate
WORKDIR /home/wardgate
EXPOSE 8080
ENTRYPOINT ["wardgate"]
CMD ["serve", "--config", "/etc/wardgate/gateway.toml"]
