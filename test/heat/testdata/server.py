"""Makes the tables of Heat from its models, then runs its API and its engine in
one process: server.py DATABASE, and what heat-all takes."""
import sys

from heat.cmd import all as heat_all  # first, as it replaces what blocks
from heat.db.sqlalchemy import models
import sqlalchemy

database, sys.argv = sys.argv[1], ["heat-all"] + sys.argv[2:]
engine = sqlalchemy.create_engine(database)
models.BASE.metadata.create_all(engine)
engine.dispose()
heat_all.main()
