"""Answers what oslo.policy makes of rules: JSON lines in, JSON lines out.

A request {"rules": {name: expression}, "asked": [[action, target,
credentials], …]} is answered by {"parsed": {name: text}, "failed": [name],
"allowed": [true, false or the error's text]}. A request {"corpus": true} is answered
by {"corpus": [[service, name, expression], …]}: the default rules of Neutron and Keystone.
"""
import json
import logging
import sys
import warnings

warnings.simplefilter("ignore")

from oslo_config import cfg
from oslo_policy import _parser
from oslo_policy import policy

import neutron.conf.policies
import neutron.policy  # registers the checks tenant_id: and field:
import keystone.common.policies

from neutron_lib.api import attributes
from neutron_lib.api.definitions import address_group, address_scope, external_net

for definition in address_group, address_scope, external_net:  # as a running Neutron has them
    for resource, attrs in definition.RESOURCE_ATTRIBUTE_MAP.items():
        attributes.RESOURCES.setdefault(resource, {}).update(attrs)


class Complaints(logging.Handler):
    def __init__(self):
        super().__init__()
        self.seen = False

    def emit(self, record):
        self.seen = True


complaints = Complaints()
logging.getLogger("oslo_policy._parser").addHandler(complaints)
logging.getLogger("oslo_policy._parser").propagate = False
logging.disable(logging.NOTSET)
logging.getLogger("neutron").addHandler(logging.NullHandler())
logging.getLogger("neutron").propagate = False
logging.getLogger("oslo_policy").propagate = False


def parsed(rules):
    checks, failed = {}, []
    for name, expression in rules.items():
        complaints.seen = False
        try:
            check = _parser.parse_rule(expression)
        except Exception:
            check, complaints.seen = policy._checks.FalseCheck(), True
        if complaints.seen or not isinstance(check, policy._checks.BaseCheck):
            failed.append(name)
            check = policy._checks.FalseCheck()
        checks[name] = check
    return checks, failed


def allowed(enforcer, action, target, credentials):
    try:
        return bool(enforcer.enforce(action, target, credentials))
    except Exception as e:
        return "%s: %s" % (type(e).__name__, e)


def answer(request):
    if request.get("corpus"):
        return {"corpus": [[s, r.name, r.check_str] for s, module in
                           (("neutron", neutron.conf.policies), ("keystone", keystone.common.policies))
                           for r in module.list_rules()]}
    checks, failed = parsed(request["rules"])
    conf = cfg.ConfigOpts()
    conf([], default_config_files=[], default_config_dirs=[])
    enforcer = policy.Enforcer(conf, policy_file="none", use_conf=False)
    enforcer.set_rules(checks, use_conf=False)
    return {"parsed": {n: str(c) for n, c in checks.items()}, "failed": failed,
            "allowed": [allowed(enforcer, *asked) for asked in request["asked"]]}


for line in sys.stdin:
    print(json.dumps(answer(json.loads(line))), flush=True)
