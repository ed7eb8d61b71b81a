FROM scratch
COPY busybox /bin/sh
RUN echo before; exit 3
