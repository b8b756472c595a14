"""Runs Keystone: run.py FOLDER URL.

Listens on file descriptor 3 and writes a line to 4 when it does. The first time
it makes the database, the keys and the administrator, whose password is in
OS_BOOTSTRAP_PASSWORD, as keystone-manage db_sync, fernet_setup, credential_setup
and bootstrap would; in one process, as each start of Python takes seconds.
"""
import os
import socket
import sys
import threading

folder, url = sys.argv[1:]
config = os.path.join(folder, "keystone.conf")
os.environ["OS_KEYSTONE_CONFIG_FILES"] = config
sys.argv = ["keystone"]

import keystone.conf
import keystone.server
import waitress
from keystone.cmd import bootstrap
from keystone.common import fernet_utils
from keystone.common.sql import upgrades
from keystone.server import wsgi

CONF = keystone.conf.CONF


def prepare():
    keystone.server.configure(config_files=[config])
    upgrades.offline_sync_database_to_version()
    for group in ("fernet_tokens", "credential"):
        keys = fernet_utils.FernetUtils(CONF[group].key_repository, 3, group)
        keys.create_key_directory()
        keys.initialize_key_repository()
    b = bootstrap.Bootstrapper()
    b.admin_username = b.project_name = b.admin_role_name = "admin"
    b.admin_password = os.environ["OS_BOOTSTRAP_PASSWORD"]
    b.service_name = "keystone"
    b.region_id = "RegionOne"
    b.public_url = b.internal_url = b.admin_url = url
    b.immutable_roles = True
    b.bootstrap()


if not os.path.exists(os.path.join(folder, "keystone.db")):
    # Keystone takes its options once per process.
    child = os.fork()
    if child == 0:
        code = 1
        try:
            prepare()
            code = 0
        except BaseException:
            import traceback
            traceback.print_exc()
        finally:
            sys.stderr.flush()
            os._exit(code)
    if os.waitpid(child, 0)[1] != 0:
        sys.exit("Keystone's database cannot be made")

application = wsgi.initialize_public_application()
issuing = threading.Lock()


def with_expiration(environ, start_response):
    """A login may say in a header how many seconds its token is to live."""
    if environ["REQUEST_METHOD"] != "POST" or environ["PATH_INFO"] != "/v3/auth/tokens":
        return application(environ, start_response)
    seconds = environ.get("HTTP_X_TEST_EXPIRATION")
    with issuing:
        if seconds:
            CONF.set_override("expiration", int(seconds), group="token")
        try:
            return application(environ, start_response)
        finally:
            if seconds:
                CONF.clear_override("expiration", group="token")


listener = socket.socket(fileno=3)
listener.listen(1024)
os.write(4, b"ready\n")
os.close(4)
waitress.serve(with_expiration, sockets=[listener], threads=4, ident=None)
