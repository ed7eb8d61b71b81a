# option: build-arg:HTTP_PROXY=http://proxy:3128
# option: build-arg:BUILDKIT_CACHE_MOUNT_NS=ns
# option: add-hosts=example=10.0.0.1
# option: shm-size=1048576
# option: ulimit=nofile=1024:2048
# option: memory=1000000
# option: no-cache=
FROM busybox AS tools
FROM busybox
WORKDIR /app
RUN --mount=type=cache,target=/root/.cache,sharing=locked,id=c \
    --mount=type=cache,target=rel,uid=1000,mode=0700 \
    --mount=type=bind,source=src,target=/src \
    --mount=from=tools,target=/tools,rw \
    --mount=type=tmpfs,target=/tmp,size=64m \
    --mount=type=secret,id=token,env=TOKEN \
    --mount=type=secret,id=key,target=/key,mode=0440,required \
    --mount=type=ssh \
    make
RUN --network=none --security=insecure --device=vendor.com/gpu=all true
