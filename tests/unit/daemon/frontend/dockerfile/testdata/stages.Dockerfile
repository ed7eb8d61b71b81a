ARG VERSION=1.2
FROM busybox:$VERSION AS base
ENV A=1 B="two words"
WORKDIR /work
COPY a.txt b/ ./

FROM base AS build
ARG MODE=fast
RUN make $MODE
RUN ["echo", "$MODE"]

FROM unused AS unused
RUN never

FROM scratch
COPY --from=build /work/out /out
COPY --from=alpine:3 --chown=user:1000 --chmod=0644 /etc/os-release /
ENTRYPOINT ["/out"]
CMD serve
EXPOSE 80 5000-5001/udp
VOLUME /data
LABEL one=1 two="2 2"
USER nobody
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=5s --retries=3 CMD curl -f http://localhost/
