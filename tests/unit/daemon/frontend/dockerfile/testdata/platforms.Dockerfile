# option: platform=linux/arm64
# option: multi-platform=true
FROM --platform=$BUILDPLATFORM golang AS build
ARG TARGETARCH
ARG TARGETOS
WORKDIR /src
RUN GOARCH=$TARGETARCH go build
FROM alpine
COPY --from=build /src/app /app
