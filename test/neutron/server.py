"""Make the tables of Neutron from its models, which takes a second where the migrations take many, then run neutron-server."""
import sys

from neutron.cmd.eventlet import server
from neutron.common import config
from neutron.db.migration.models import head
import sqlalchemy

database, sys.argv = sys.argv[1], ["neutron-server"] + sys.argv[2:]
config.register_common_config_options()
engine = sqlalchemy.create_engine(database)
head.get_metadata().create_all(engine)
engine.dispose()
server.main()
