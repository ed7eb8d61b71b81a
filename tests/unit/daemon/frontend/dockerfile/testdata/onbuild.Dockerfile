FROM alpine AS tools
FROM onbuild
ONBUILD RUN in child
RUN last
