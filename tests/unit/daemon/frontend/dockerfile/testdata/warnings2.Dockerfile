ARG BASE
FROM --platform=linux/amd64 busybox AS Base
FROM --platform=$TARGETPLATFORM busybox as base
from busybox AS scratch
ARG API_TOKEN
ENV key value
workdir rel
RUN true \

  && false
CMD a
CMD b
COPY $SCR /x
ENV SRC=1
COPY ${SRX} /x
EXPOSE 80/TCP 127.0.0.1:80:80
MAINTAINER me
SHELL ["/bin/bash", "-c"]
ENTRYPOINT quiet
