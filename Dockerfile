# SPDX-License-Identifier: ISC
# An image that contains only a static adit and a configuration:
#
#     docker build -t adit .
#     docker run -p 8888:8888 -v $PWD/adit.conf:/etc/adit/adit.conf:ro adit
#
# adit runs as an ordinary user, and logs to the standard output.  A configuration
# of your own needs the ControlSocket of etc/docker.conf for the HEALTHCHECK;
# without it start the container with --no-healthcheck.

FROM alpine AS build
RUN apk add --no-cache gcc make musl-dev
COPY . /src
RUN make -C /src clean && make -C /src LDFLAGS=-static SYSCONFDIR=/etc/adit
RUN mkdir -m 755 /run/adit

FROM scratch
COPY --from=build /src/adit /adit
COPY etc/docker.conf /etc/adit/adit.conf
COPY --from=build --chown=65534:65534 /run/adit /run/adit
USER 65534:65534
EXPOSE 8888
# docker stop lets open tunnels finish, for as long as its -t says.
STOPSIGNAL SIGQUIT
# Unhealthy: it drains, is full, or has no worker that moves.
HEALTHCHECK --interval=10s --timeout=5s --start-period=5s CMD ["/adit", "-s", "ready"]
ENTRYPOINT ["/adit", "-d"]
