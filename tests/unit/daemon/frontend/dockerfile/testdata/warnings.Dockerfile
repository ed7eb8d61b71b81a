FROM --platform=linux/amd64 Busybox AS Base
FROM busybox as base
from $MISSPELT
ARG API_TOKEN
ENV key value
workdir rel
RUN true \

  && false
CMD a
CMD b
COPY $SRC /x
EXPOSE 80/TCP 127.0.0.1:80:80
MAINTAINER me
