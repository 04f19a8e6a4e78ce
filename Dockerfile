# Two stages: one executable is compiled, and the image that runs it holds little else.
# Its packages reach nobody, so its version is exact; Deno's is, and those of all modules are (deno.lock).
FROM node:22.12.0-bookworm-slim AS build
WORKDIR /build
RUN npx -y deno@2.9.6 --version
COPY deno.json deno.lock main.ts ./
COPY src ./src
COPY tools ./tools
# `--build-arg OTEL_DENO=true`: the metrics go to an OpenTelemetry collector as well (docs/HTTP.md).
ARG OTEL_DENO=false
RUN npx -y deno@2.9.6 task compile

# Debian 12, not a point release: a rebuild brings its security updates. The executable needs glibc and libgcc; certificate authorities are built into it.
FROM debian:bookworm-slim
COPY --from=build /build/dist/pgplex /usr/local/bin/pgplex
# Mount your own over it: the example listens on 127.0.0.1 only.
COPY config.example.yaml /etc/pgplex/pgplex.yaml
USER 10001:10001
EXPOSE 6432
# pgplex drains on SIGTERM: running transactions end first.
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=3s --start-period=5s --retries=3 \
  CMD ["/usr/local/bin/pgplex", "--config", "/etc/pgplex/pgplex.yaml", "--health"]
ENTRYPOINT ["/usr/local/bin/pgplex"]
CMD ["--config", "/etc/pgplex/pgplex.yaml"]
