FROM busybox
USER app:staff
WORKDIR sub
WORKDIR deeper
COPY --link a /b
COPY --link --chmod=755 c /d
COPY --link --chown=1:2 --exclude=*.tmp e f/
COPY --parents x/./y/z.txt /p/
COPY --parents **/*.md /p/
COPY --chmod=u=rwX,go=rX g .
COPY ../outside /
ADD archive.tar.gz /unpacked/
ADD --checksum=sha256:1111111111111111111111111111111111111111111111111111111111111111 https://example.com/dir/file.bin?x=1 /bin/
ADD --keep-git-dir=true https://example.com/repo.git#v1:sub /repo
ADD git@example.com:team/repo.git /ssh
ADD --unpack https://example.com/a.tgz /x/
