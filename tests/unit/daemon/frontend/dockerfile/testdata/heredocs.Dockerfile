FROM busybox
ARG NAME=world
RUN <<EOT
echo hello
echo $NAME
EOT
RUN <<SCRIPT
#!/usr/bin/env python3
print("hi")
SCRIPT
RUN cat <<A && cat <<B
one
A
two
B
COPY <<config <<'raw' /etc/
hello $NAME
config
hello $NAME
raw
