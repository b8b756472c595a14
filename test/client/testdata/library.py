"""Uses python-neutronclient as a library, as Heat's resources for gateways do,
and the REST API as Tempest's clients do.

It logs in as OS_… says, and as the member MEMBER_USERNAME of MEMBER_PROJECT;
NETWORK is the id of a network that the server knows.
"""

import json
import os
import unittest
import uuid

from keystoneauth1 import session
from keystoneauth1.identity import v3
from neutronclient.common import exceptions
from neutronclient.neutron import v2_0 as finder
from neutronclient.v2_0 import client

NETWORK = os.environ["NETWORK"]
UNKNOWN = "00000000-0000-0000-0000-000000000000"


def log_in(username, password, project):
    auth = v3.Password(
        auth_url=os.environ["OS_AUTH_URL"], username=username, password=password, project_name=project,
        user_domain_name="Default", project_domain_name="Default")
    return session.Session(auth=auth, verify=os.environ["OS_CACERT"])


ADMIN = log_in(os.environ["OS_USERNAME"], os.environ["OS_PASSWORD"], os.environ["OS_PROJECT_NAME"])
MEMBER = log_in(os.environ["MEMBER_USERNAME"], os.environ["MEMBER_PASSWORD"], os.environ["MEMBER_PROJECT"])


def neutron(as_whom):
    return client.Client(session=as_whom, service_type="network", endpoint_type="publicURL", region_name="RegionOne")


def device(name, interface, *vlans):
    return {"device_name": name, "interfaces": [{"name": interface, **({"segmentation_id": list(vlans)} if vlans else {})}]}


class Library(unittest.TestCase):
    def setUp(self):
        self.neutron, self.member = neutron(ADMIN), neutron(MEMBER)
        self.switch = "switch-" + uuid.uuid4().hex[:8]

    def gateway(self, name, *devices):
        made = self.neutron.create_l2_gateway({"l2_gateway": {"name": name, "devices": list(devices)}})["l2_gateway"]
        self.addCleanup(self.forget, self.neutron.delete_l2_gateway, made["id"])
        return made

    def connection(self, gateway, **more):
        body = {"l2_gateway_id": gateway["id"], "network_id": NETWORK, **more}
        made = self.neutron.create_l2_gateway_connection({"l2_gateway_connection": body})["l2_gateway_connection"]
        self.addCleanup(self.forget, self.neutron.delete_l2_gateway_connection, made["id"])
        return made

    def forget(self, delete, what):
        try:
            delete(what)
        except exceptions.NotFound:  # what Heat ignores when it deletes
            pass

    def fails(self, kind, says, call, *args, **kwargs):
        with self.assertRaises(exceptions.NeutronClientException) as caught:
            call(*args, **kwargs)
        self.assertIs(type(caught.exception), kind, caught.exception)
        self.assertEqual(caught.exception.status_code, kind.status_code)
        self.assertIn(says, str(caught.exception))
        self.assertTrue(caught.exception.request_ids)

    def test_a_stack_is_created_changed_and_deleted(self):
        aliases = {e["alias"] for e in self.neutron.list_extensions()["extensions"]}
        self.assertLessEqual({"l2-gateway", "l2-gateway-connection"}, aliases)
        gateway = self.gateway("stack-gw", device(self.switch, "eth1", 100, 200))
        self.assertEqual(gateway["name"], "stack-gw")
        shown = self.neutron.show_l2_gateway(gateway["id"])["l2_gateway"]
        self.assertEqual(shown["devices"][0]["interfaces"], [{"name": "eth1", "segmentation_id": ["100", "200"]}])
        changed = self.neutron.update_l2_gateway(gateway["id"], {"l2_gateway": {"name": "stack-gw-2"}})["l2_gateway"]
        self.assertEqual(changed["name"], "stack-gw-2")
        self.assertEqual(changed["devices"], shown["devices"])
        changed = self.neutron.update_l2_gateway(
            gateway["id"], {"l2_gateway": {"devices": [device(self.switch, "eth2", 300)]}})["l2_gateway"]
        self.assertEqual([i["name"] for i in changed["devices"][0]["interfaces"]], ["eth2"])
        connection = self.connection(gateway)
        shown = self.neutron.show_l2_gateway_connection(connection["id"])["l2_gateway_connection"]
        self.assertEqual((shown["l2_gateway_id"], shown["network_id"]), (gateway["id"], NETWORK))
        self.assertIn(connection["id"], [c["id"] for c in self.neutron.list_l2_gateway_connections(
            network_id=NETWORK)["l2_gateway_connections"]])
        self.fails(exceptions.Conflict, "still has active mappings", self.neutron.delete_l2_gateway, gateway["id"])
        self.neutron.delete_l2_gateway_connection(connection["id"])
        self.neutron.delete_l2_gateway(gateway["id"])
        self.fails(exceptions.NotFound, gateway["id"], self.neutron.show_l2_gateway, gateway["id"])
        self.fails(exceptions.NotFound, connection["id"], self.neutron.show_l2_gateway_connection, connection["id"])

    def test_names_are_looked_up(self):
        gateway = self.gateway("named", device(self.switch, "eth1"))
        for find in (gateway["id"], "named"):
            self.assertEqual(finder.find_resourceid_by_name_or_id(self.neutron, "l2_gateway", find), gateway["id"])
            self.assertEqual(self.neutron.find_resource("l2_gateway", find)["id"], gateway["id"])
        self.assertEqual(self.neutron.list_l2_gateways(name="named", fields="id"), {"l2_gateways": [{"id": gateway["id"]}]})
        self.assertRaises(exceptions.NotFound, self.neutron.find_resource, "l2_gateway", "nosuch")
        self.gateway("named", device(self.switch, "eth2"))
        self.assertRaises(exceptions.NeutronClientNoUniqueMatch, self.neutron.find_resource, "l2_gateway", "named")

    def test_mistakes_raise_what_neutron_raises(self):
        n, d = self.neutron, self.switch
        gateway = self.gateway("mistakes", device(d, "eth1", 100))
        plain = self.gateway("mistakes-2", device(d, "eth2"))
        self.connection(gateway)
        for kind, says, call, *args in [
            (exceptions.BadRequest, "Required attribute 'devices'", n.create_l2_gateway, {"l2_gateway": {"name": "x"}}),
            (exceptions.BadRequest, "empty device list", n.create_l2_gateway, {"l2_gateway": {"name": "x", "devices": []}}),
            (exceptions.BadRequest, "out of range", n.create_l2_gateway, {"l2_gateway": {"devices": [device(d, "e", 4095)]}}),
            (exceptions.BadRequest, "must be a valid integer", n.create_l2_gateway, {"l2_gateway": {"devices": [device(d, "e", "x")]}}),
            (exceptions.BadRequest, "Unrecognized attribute", n.create_l2_gateway, {"l2_gateway": {"devices": [device(d, "e")], "foo": 1}}),
            (exceptions.BadRequest, "read-only", n.update_l2_gateway, gateway["id"], {"l2_gateway": {"id": UNKNOWN}}),
            (exceptions.BadRequest, "Unable to find 'l2_gateway'", n.create_l2_gateway, {"gateway": {}}),
            (exceptions.NotFound, UNKNOWN, n.show_l2_gateway, UNKNOWN),
            (exceptions.NotFound, UNKNOWN, n.update_l2_gateway, UNKNOWN, {"l2_gateway": {"name": "x"}}),
            (exceptions.NotFound, UNKNOWN, n.delete_l2_gateway, UNKNOWN),
            (exceptions.NotFound, UNKNOWN, n.show_l2_gateway_connection, UNKNOWN),
            (exceptions.NotFound, UNKNOWN, n.delete_l2_gateway_connection, UNKNOWN),
        ]:
            self.fails(kind, says, call, *args)
        for kind, says, body in [
            (exceptions.NotFound, UNKNOWN, {"l2_gateway_id": UNKNOWN, "network_id": NETWORK, "segmentation_id": "5"}),
            # neutronclient has a class of its own for this type.
            (exceptions.NetworkNotFoundClient, UNKNOWN, {"l2_gateway_id": gateway["id"], "network_id": UNKNOWN}),
            (exceptions.BadRequest, "should not be provided", {"l2_gateway_id": gateway["id"], "network_id": NETWORK, "segmentation_id": "5"}),
            (exceptions.BadRequest, "must be specified", {"l2_gateway_id": plain["id"], "network_id": NETWORK}),
            (exceptions.BadRequest, "not a valid string", {"l2_gateway_id": plain["id"], "network_id": NETWORK, "segmentation_id": 5}),
            (exceptions.Conflict, gateway["id"], {"l2_gateway_id": gateway["id"], "network_id": NETWORK}),
        ]:
            self.fails(kind, says, n.create_l2_gateway_connection, {"l2_gateway_connection": body})

    def test_others_are_forbidden_everything(self):
        gateway = self.gateway("forbidden", device(self.switch, "eth1", 100))
        connection = self.connection(gateway)
        m, says = self.member, "admin privileges"
        for call, *args in [
            (m.list_l2_gateways,), (m.list_l2_gateway_connections,),
            (m.create_l2_gateway, {"l2_gateway": {"name": "x", "devices": [device(self.switch, "eth9")]}}),
            (m.create_l2_gateway_connection, {"l2_gateway_connection": {"l2_gateway_id": gateway["id"], "network_id": NETWORK}}),
        ] + [(call, what["id"] if known else UNKNOWN) for known in (True, False) for call, what in [
            (m.show_l2_gateway, gateway), (m.delete_l2_gateway, gateway),
            (m.show_l2_gateway_connection, connection), (m.delete_l2_gateway_connection, connection),
        ]] + [(m.update_l2_gateway, gateway["id"], {"l2_gateway": {"name": "x"}})]:
            self.fails(exceptions.Forbidden, says, call, *args)

    def test_a_wrong_token_is_unauthorized(self):
        n = client.Client(token="wrong", endpoint_url=ADMIN.get_endpoint(service_type="network"), ca_cert=os.environ["OS_CACERT"])
        self.assertRaises(exceptions.Unauthorized, n.list_l2_gateways)

    def test_many_are_made_at_once_and_read_in_pages(self):
        bulk = {"l2_gateways": [{"name": "page", "devices": [device(self.switch, "eth%d" % i)]} for i in range(5)]}
        made = self.neutron.create_l2_gateway(bulk)["l2_gateways"]
        for gateway in made:
            self.addCleanup(self.forget, self.neutron.delete_l2_gateway, gateway["id"])
        ids = [g["id"] for g in made]

        def listed(**more):
            return [[g["id"] for g in page["l2_gateways"]] for page in self.neutron.list_l2_gateways(
                retrieve_all=False, name="page", **more)]

        self.assertEqual(listed(limit=2), [ids[:2], ids[2:4], ids[4:]])
        self.assertEqual(listed(limit=2, page_reverse=True), [ids[3:], ids[1:3], ids[:1]])
        self.assertEqual(listed(limit=2, marker=ids[1]), [ids[2:4], ids[4:]])
        self.assertEqual(listed(limit=2, sort_key="id", sort_dir="desc")[0], sorted(ids, reverse=True)[:2])
        # Links lead to where the catalog says that the API is.
        first = next(iter(self.neutron.list_l2_gateways(retrieve_all=False, name="page", limit=2)))
        self.assertTrue(first["l2_gateways_links"][0]["href"].startswith(ADMIN.get_endpoint(service_type="network")), first)
        every = self.neutron.list_l2_gateways(retrieve_all=True, name="page", limit=2)["l2_gateways"]
        self.assertEqual([g["id"] for g in every], ids)
        self.fails(exceptions.BadRequest, UNKNOWN, self.neutron.list_l2_gateways, limit=1, marker=UNKNOWN)
        # All or none.
        bulk["l2_gateways"][4]["devices"] = []
        self.fails(exceptions.BadRequest, "empty device list", self.neutron.create_l2_gateway, bulk)
        self.assertEqual(len(self.neutron.list_l2_gateways(name="page")["l2_gateways"]), 5)

    def test_quotas_of_both_sides_are_set_as_one(self):
        project = ADMIN.get_project_id()
        self.neutron.update_quota(project, {"quota": {"l2_gateway": 0, "network": 7}})
        try:
            shown = self.neutron.show_quota(project)["quota"]
            self.assertEqual((shown["l2_gateway"], shown["network"]), (0, 7))
            self.fails(exceptions.OverQuotaClient, "l2_gateway", self.gateway, "one too many", device(self.switch, "eth1"))
        finally:
            self.neutron.delete_quota(project)
        self.assertEqual(self.neutron.show_quota(project)["quota"]["l2_gateway"], -1)


class Tempest(unittest.TestCase):
    """Tempest's clients look at statuses and at the types of bodies."""

    def send(self, method, path, status, body=None):
        answer = ADMIN.request(
            ADMIN.get_endpoint(service_type="network") + "/v2.0" + path, method, raise_exc=False, authenticated=True,
            data=json.dumps(body) if body is not None else None,
            headers={"Content-Type": "application/json", "Accept": "application/json"})
        self.assertEqual(answer.status_code, status, answer.text)
        if status == 204:
            self.assertEqual(answer.content, b"")
            return None
        self.assertIn(answer.headers["Content-Type"], ("application/json", "application/json; charset=utf-8"))
        return answer.json()

    def test_statuses(self):
        switch = "switch-" + uuid.uuid4().hex[:8]
        # Its devices have a key that the API does not know.
        devices = [{"device_name": switch, "interfaces": [{"name": "eth1", "segmentation_id": ["101"]}], "deleted": False}]
        made = self.send("POST", "/l2-gateways", 201, {"l2_gateway": {"name": "tempest", "devices": devices}})["l2_gateway"]
        path = "/l2-gateways/" + made["id"]
        self.assertEqual(self.send("GET", path, 200)["l2_gateway"]["devices"][0]["interfaces"], devices[0]["interfaces"])
        self.assertEqual(self.send("PUT", path, 200, {"l2_gateway": {"name": "renamed"}})["l2_gateway"]["name"], "renamed")
        self.assertIn(made["id"], [g["id"] for g in self.send("GET", "/l2-gateways", 200)["l2_gateways"]])
        body = {"l2_gateway_connection": {"l2_gateway_id": made["id"], "network_id": NETWORK}}
        connection = self.send("POST", "/l2-gateway-connections", 201, body)["l2_gateway_connection"]
        self.send("GET", "/l2-gateway-connections/" + connection["id"], 200)
        self.send("DELETE", path, 409)
        self.send("DELETE", "/l2-gateway-connections/" + connection["id"], 204)
        self.send("DELETE", path, 204)
        for method in ("GET", "DELETE"):
            error = self.send(method, path, 404)["NeutronError"]
            self.assertEqual(error["type"], "L2GatewayNotFound")


unittest.main(argv=["library"], verbosity=2)
