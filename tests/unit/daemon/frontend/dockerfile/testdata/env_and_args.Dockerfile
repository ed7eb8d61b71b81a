# option: build-arg:GIVEN=from client
# option: build-arg:TARGETSTAGE2=x
# option: label:extra=label
# option: build-arg:SOURCE_DATE_EPOCH=1700000000
ARG GLOBAL=g
ARG GIVEN=default
FROM busybox AS one
ARG GLOBAL
ARG LATER=$GLOBAL-later
ENV LATER=env
ENV X=$LATER Y=$X
ARG GIVEN
ARG SOURCE_DATE_EPOCH
RUN echo "$LATER" '$X' \$Y $GIVEN
FROM one
ARG LATER=again
ARG TARGETARCH=pinned
RUN env
