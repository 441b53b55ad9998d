"""acme2certifier as a certificate authority of the loopback; runs in the venv that tools/test-packages makes.

    python acme_authority.py FOLDER '{"port": 1234, "ports": {"80": 5680, "443": 5643}, "dns": 5353}'

FOLDER holds acme_srv.cfg, and tls.pem with the server's own certificate and key. `ports`: where to knock in
place of the ports that the standard names; `dns`: the port of the name server. Everything else is the server
as its makers publish it.
"""

import importlib.util
import json
import os
import socket
import socketserver
import ssl
import sys
import sysconfig
from pathlib import Path
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer

FOLDER, OPTIONS = Path(sys.argv[1]), json.loads(sys.argv[2])
os.environ |= {"ACME_SRV_CONFIGFILE": str(FOLDER / "acme_srv.cfg"), "ACME2CERTIFIER_BASE_DIR": str(FOLDER)}
os.chdir(FOLDER)


def knock_elsewhere():
    connect = socket.socket.connect
    elsewhere = {int(port): other for port, other in OPTIONS["ports"].items()}

    def connect_elsewhere(self, address):
        if isinstance(address, tuple) and address[1] in elsewhere:
            address = (address[0], elsewhere[address[1]], *address[2:])
        return connect(self, address)

    socket.socket.connect = connect_elsewhere


def ask_our_names():
    import dns.resolver

    reset = dns.resolver.BaseResolver.reset

    def reset_to_ours(self):
        reset(self)
        self.port = OPTIONS["dns"]
        self.lifetime = 3

    dns.resolver.BaseResolver.reset = reset_to_ours


class Handler(WSGIRequestHandler):
    def get_environ(self):
        return super().get_environ() | {"HTTPS": "on"}

    def address_string(self):
        return self.client_address[0]


class Server(socketserver.ThreadingMixIn, WSGIServer):
    daemon_threads = True


def main():
    knock_elsewhere()
    ask_our_names()
    module = Path(sysconfig.get_paths()["purelib"]) / "acme2certifier/share/acme2certifier_wsgi.py"
    spec = importlib.util.spec_from_file_location("acme2certifier_wsgi", module)
    program = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(program)
    server = Server(("127.0.0.1", OPTIONS["port"]), Handler)
    server.set_app(program.application)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(FOLDER / "tls.pem")
    server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    print("ready", flush=True)
    server.serve_forever()


main()
