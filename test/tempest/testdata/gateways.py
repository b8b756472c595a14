"""Gateways and connections on Tempest's own ground: users that it makes, its REST
client, and what that accepts of an answer. The stories are those that OpenStack's
plugin of Tempest for L2 gateways tells."""

from tempest.api.network import base
from tempest.lib import exceptions
from tempest.lib.common.utils import data_utils
from tempest.lib.services.network import base as rest


class Collection:
    """One of the two, through one of Tempest's clients, which knows what statuses are right."""

    def __init__(self, manager, path, resource):
        self.client = rest.BaseNetworkClient(manager.auth_provider, "network", "RegionOne")
        self.path, self.resource = "/" + path, resource

    def create(self, **body):
        return self.client.create_resource(self.path, {self.resource: body})[self.resource]

    def show(self, id, **query):
        return self.client.show_resource(self.path + "/" + id, **query)[self.resource]

    def update(self, id, **body):
        return self.client.update_resource(self.path + "/" + id, {self.resource: body})[self.resource]

    def delete(self, id):
        self.client.delete_resource(self.path + "/" + id)

    def list(self, **query):
        return self.client.list_resources(self.path, **query)[self.resource + "s"]


def device(name, *interfaces):
    """interfaces: (name, VLAN…)"""
    return {"device_name": name, "interfaces": [
        {"name": i[0], **({"segmentation_id": [str(v) for v in i[1:]]} if i[1:] else {})} for i in interfaces]}


class Gateways(base.BaseAdminNetworkTest):
    @classmethod
    def setup_clients(cls):
        super().setup_clients()
        cls.of = {}
        for who, manager in (("admin", cls.os_admin), ("member", cls.os_primary)):
            cls.of[who] = (Collection(manager, "l2-gateways", "l2_gateway"),
                           Collection(manager, "l2-gateway-connections", "l2_gateway_connection"))
        cls.gateways, cls.connections = cls.of["admin"]

    def setUp(self):
        super().setUp()
        self.switch = data_utils.rand_name("switch")

    def gateway(self, *devices):
        made = self.gateways.create(name=data_utils.rand_name("gateway"), devices=list(devices))
        self.addCleanup(self.gateways.delete, made["id"])
        return made

    def network(self):
        made = self.admin_networks_client.create_network(name=data_utils.rand_name("network"))["network"]
        self.addCleanup(self.admin_networks_client.delete_network, made["id"])
        return made

    def connection(self, gateway, network, **more):
        made = self.connections.create(l2_gateway_id=gateway["id"], network_id=network["id"], **more)
        self.addCleanup(self.connections.delete, made["id"])
        return made

    def test_a_gateway_is_created_shown_listed_renamed_and_deleted(self):
        devices = [device(self.switch, ("eth1", 100, 200), ("eth2", 300))]
        made = self.gateway(*devices)
        shown = self.gateways.show(made["id"])
        self.assertEqual(made["name"], shown["name"])
        self.assertEqual(devices, [{k: d[k] for k in ("device_name", "interfaces")} for d in shown["devices"]])
        self.assertIn(made["id"], [g["id"] for g in self.gateways.list()])
        self.assertEqual([{"id": made["id"]}], self.gateways.list(name=made["name"], fields="id"))
        self.assertEqual("another", self.gateways.update(made["id"], name="another")["name"])
        self.assertEqual({"name": "another"}, self.gateways.show(made["id"], fields="name"))

    def test_a_device_is_changed_and_the_others_stay(self):
        # Tempest gives devices a VLAN that no API knows, and expects it to be left alone.
        names = [self.switch + str(i) for i in range(3)]
        made = self.gateway(*[{**device(name, ("eth1",)), "segmentation_id": "7"} for name in names])
        self.gateways.update(made["id"], devices=[device(names[0], ("eth2",))])
        shown = self.gateways.show(made["id"])["devices"]
        self.assertEqual([(names[0], "eth2"), (names[1], "eth1"), (names[2], "eth1")],
                         [(d["device_name"], d["interfaces"][0]["name"]) for d in shown])

    def test_a_connection_is_created_shown_listed_and_deleted(self):
        gateway, network = self.gateway(device(self.switch, ("eth1", 100))), self.network()
        made = self.connection(gateway, network)
        shown = self.connections.show(made["id"])
        self.assertEqual((network["id"], gateway["id"]), (shown["network_id"], shown["l2_gateway_id"]))
        self.assertEqual([made["id"]], [c["id"] for c in self.connections.list(network_id=network["id"])])
        self.assertRaises(exceptions.Conflict, self.gateways.delete, gateway["id"])

    def test_a_connection_brings_the_vlan_that_its_gateway_has_not(self):
        gateway, network = self.gateway(device(self.switch, ("eth1",))), self.network()
        self.assertRaises(exceptions.BadRequest, self.connection, gateway, network)
        for vlan in ("-1", "4095", "4096"):
            for wrong in (vlan, [vlan]):
                self.assertRaises(exceptions.BadRequest, self.connection, gateway, network, segmentation_id=wrong)
        made = self.connection(gateway, network, segmentation_id="55")
        self.assertEqual("55", str(made["segmentation_id"]))
        self.assertEqual("55", str(self.connections.show(made["id"])["segmentation_id"]))

    def test_what_is_wrong_is_refused(self):
        for wrong in (device("", ("eth1", 5)), device(self.switch, ("", 5)), device(self.switch),
                      device(self.switch, ("eth1", -1)), device(self.switch, ("eth1", 4095)), device(self.switch, ("eth1", 4096))):
            self.assertRaises(exceptions.BadRequest, self.gateway, wrong)
        gateway = self.gateway(device(self.switch, ("eth1", 5)))
        self.assertRaises(exceptions.BadRequest, self.gateways.update, gateway["name"], devices=[{"device_name": ""}])
        self.assertRaises(exceptions.NotFound, self.connection, gateway, {"id": "network"})

    def test_what_does_not_exist_is_not_found(self):
        for collection in (self.gateways, self.connections):
            name = data_utils.rand_name("none")
            self.assertRaises(exceptions.NotFound, collection.delete, name)
            self.assertRaises(exceptions.NotFound, collection.show, name)

    def test_a_member_may_do_nothing_whatever_exists(self):
        gateways, connections = self.of["member"]
        there = self.gateway(device(self.switch, ("eth1", 5)))["id"]
        for id in (there, data_utils.rand_name("none")):
            self.assertRaises(exceptions.Forbidden, gateways.show, id)
            self.assertRaises(exceptions.Forbidden, gateways.update, id, name="x")
            self.assertRaises(exceptions.Forbidden, gateways.delete, id)
            self.assertRaises(exceptions.Forbidden, connections.create, l2_gateway_id=id, network_id=id)
            self.assertRaises(exceptions.Forbidden, connections.delete, id)
        self.assertRaises(exceptions.Forbidden, gateways.create, name="x", devices=[device(self.switch, ("eth2",))])
        self.assertRaises(exceptions.Forbidden, gateways.list)
        self.assertRaises(exceptions.Forbidden, connections.list)
