package reference

import "strings"

// difference is an answer of ours that is another than the predecessor's, on purpose.
type difference struct {
	// want is our status, type and message, with the predecessor's ids; "" if only
	// the objects differ.
	want string
	// allows is the sentence of the contract that allows it.
	allows string
}

// What we say where nothing is refused.
const (
	done    = `200  ""`
	created = `201  ""`
	deleted = `204  ""`
)

// The sentences of the contract.
const (
	givenOnce       = `the same device, interface or VLAN twice in one gateway; names over 255; a name that is no string | 400 naming the value; unicode names work`
	bulkWorks       = "+ Bulk create `{\"l2_gateways\": [..]}` works, all or nothing (the predecessor: 400 `Bulk operation not supported`)."
	filtersWork     = `filters on every visible attribute`
	sortingWorks    = "+ `sort_key`/`sort_dir` on id, name, tenant_id, project_id,"
	stableOrder     = `+ Stable order (created_at, id) when none is asked for.`
	unknownMarker   = `+ An unknown marker is 400.`
	devicesToCome   = "Devices that no switch has yet are accepted (=), and + connections to them too (status `PENDING`)."
	devicesAdded    = `+ A device that the gateway did not have is added;`
	segmentation409 = `+ 409 L2GatewaySegmentationIDNotExists, L2GatewaySegmentationIDExists (predecessor: 500)`
	nothingChanged  = "+ `PUT {\"l2_gateway\": {}}` changes nothing (the predecessor sets the name to null)."
	notAList        = "`devices` not a list of objects (predecessor: 500) | + 400 HTTPBadRequest `Invalid input for devices. Reason: ` + what is wrong"
	zeroIsUntagged  = "VLAN `0` means untagged and counts as given:"
	noInteger       = `+ 1.5, true, null, nested | 400 (the predecessor accepts 1.5 and true)`
	nulInName       = `NUL in a name: 400.`
	onCollection    = `PUT/DELETE on a collection: 404 or 405, never a change.`
	connectionNamed = "404 L2GatewayConnectionNotFound `The connection <id> not found on the l2 gateway`"
	duplicateNamed  = "409 L2GatewayDuplicateSegmentationID `Duplicate segmentation ID for the interface name=<if>…`"
	intentStays     = `Here the user's intent lives in our database and nothing but the user deletes it.`
)

// differences are by the place of the request, FILE:LINE.
var differences = map[string]difference{
	// create same device twice
	"01:309": {`400 HTTPBadRequest "Invalid input for devices. Reason: device 'ps1' is given twice."`, givenOnce},
	// create same interface twice
	"01:347": {`400 HTTPBadRequest "Invalid input for devices. Reason: interface 'eth1' of device 'ps1' is given twice."`, givenOnce},
	// create same interface twice seg
	"01:377": {`400 HTTPBadRequest "Invalid input for devices. Reason: interface 'eth1' of device 'ps1' is given twice."`, givenOnce},
	// create duplicate seg
	"01:408": {`400 HTTPBadRequest "Invalid input for devices. Reason: segmentation_id 7 of interface 'eth1' of device 'ps1' is given twice."`, givenOnce},
	// bulk create
	"01:679": {created, bulkWorks},
	// bulk create with one bad
	"01:695": {`400 HTTPBadRequest "Invalid input for devices. Reason: Cannot create a gateway with an empty device_name."`, bulkWorks},
	// bulk create, empty list
	"01:711": {`400 HTTPBadRequest "Resources required"`, bulkWorks},
	// list ?devices=x filter
	"01:1524": {"", filtersWork},
	// list ?sort_key=name asc
	"01:1593": {done, sortingWorks},
	// list ?sort_key=name desc
	"01:1608": {done, sortingWorks},
	// list ?sort_dir=sideways
	"01:1653": {`400 HTTPBadRequest "['sideways'] is invalid value for sort_dirs, valid value is 'asc' and 'desc'"`, sortingWorks},
	// list ?limit=2 full
	"01:1698": {done, sortingWorks},
	// list ?limit=2&marker
	"01:1713": {"", stableOrder},
	// list ?limit=2&marker=bad
	"01:1735": {`400 InvalidInput "Invalid input for operation: marker 'bad' could not be found."`, unknownMarker},
	// list ?marker=bad no limit
	"01:1752": {`400 InvalidInput "Invalid input for operation: marker 'bad' could not be found."`, unknownMarker},
	// update interfaces, unknown port
	"01:2153": {done, devicesToCome},
	// update unknown device
	"01:2169": {done, devicesAdded},
	// update other device (ps2, in ovsdb)
	"01:2185": {done, devicesAdded},
	// update add segids where none
	"01:2201": {`409 L2GatewaySegmentationIDNotExists "The segmentation id is not specified in existing gateway interfaces."`, segmentation409},
	// update seg gw: remove seg
	"01:2281": {`409 L2GatewaySegmentationIDExists "The segmentation id is already specified in existing gateway interfaces."`, segmentation409},
	// update empty
	"01:2403": {"", nothingChanged},
	// show after
	"01:2505": {"", nothingChanged},

	// devices string
	"02:51": {`400 HTTPBadRequest "Invalid input for devices. Reason: devices must be a list of objects, not a string."`, notAList},
	// devices dict
	"02:67": {`400 HTTPBadRequest "Invalid input for devices. Reason: devices must be a list of objects, not an object."`, notAList},
	// devices int
	"02:83": {`400 HTTPBadRequest "Invalid input for devices. Reason: devices must be a list of objects, not a number."`, notAList},
	// devices list of strings
	"02:99": {`400 HTTPBadRequest "Invalid input for devices. Reason: devices must be a list of objects; 'ps1' is a string."`, notAList},
	// device_name int
	"02:147": {`400 HTTPBadRequest "Invalid input for devices. Reason: device_name '5' is not a valid string."`, givenOnce},
	// interface name int
	"02:287": {`400 HTTPBadRequest "Invalid input for devices. Reason: interface name '7' is not a valid string."`, givenOnce},
	// segmentation_id = [0]
	"02:457": {"", zeroIsUntagged},
	// segmentation_id = [1.5]
	"02:501": {`400 InvalidInput "Invalid input for operation: Segmentation id must be a valid integer."`, noInteger},
	// segmentation_id = [True]
	"02:531": {`400 InvalidInput "Invalid input for operation: Segmentation id must be a valid integer."`, noInteger},
	// segmentation_id = [None]
	"02:561": {`400 InvalidInput "Invalid input for operation: Segmentation id must be a valid integer."`, noInteger},
	// segmentation_id = [[1]]
	"02:577": {`400 InvalidInput "Invalid input for operation: Segmentation id must be a valid integer."`, noInteger},
	// segmentation_id = [{'a': 1}]
	"02:593": {`400 InvalidInput "Invalid input for operation: Segmentation id must be a valid integer."`, noInteger},
	// name 256 chars
	"02:813": {`400 HTTPBadRequest "Invalid input for name. Reason: '` + strings.Repeat("n", 256) + `' exceeds maximum length of 255."`, givenOnce},
	// device name 256
	"02:857": {`400 HTTPBadRequest "Invalid input for devices. Reason: device_name: '` + strings.Repeat("d", 256) + `' exceeds maximum length of 255."`, givenOnce},
	// if name 256
	"02:873": {`400 HTTPBadRequest "Invalid input for devices. Reason: interface name: '` + strings.Repeat("e", 256) + `' exceeds maximum length of 255."`, givenOnce},
	// name unicode
	"02:889": {created, givenOnce},
	// name with NUL
	"02:905": {`400 HTTPBadRequest "Invalid input for name. Reason: 'a\\x00b' contains the character NUL."`, nulInName},
	// tenant 256
	"02:933": {`400 HTTPBadRequest "Invalid input for tenant_id. Reason: '` + strings.Repeat("t", 256) + `' exceeds maximum length of 255."`, givenOnce},
	// both keys
	"02:1120": {`400 HTTPBadRequest "The request body has both 'l2_gateway' and 'l2_gateways': it must have one of them"`, bulkWorks},
	// PUT on collection
	"02:1524": {`405 HTTPMethodNotAllowed "The server could not comply with the request since it is either malformed or otherwise incorrect."`, onCollection},
	// DELETE on collection
	"02:1540": {`405 HTTPMethodNotAllowed "The server could not comply with the request since it is either malformed or otherwise incorrect."`, onCollection},
	// OPTIONS
	"02:1612": {"", zeroIsUntagged},
	// underscore collection
	"02:2285": {"", zeroIsUntagged},
	// list everything that was accepted
	"02:3083": {"", zeroIsUntagged},

	// device not in OVSDB
	"03:778": {created, devicesToCome},
	// port not in OVSDB
	"03:794": {created, devicesToCome},
	// bulk create connections
	"03:810": {created, bulkWorks},
	// list ?limit=1&marker=bad
	"03:1318": {`400 InvalidInput "Invalid input for operation: marker 'bad' could not be found."`, unknownMarker},
	// show unknown
	"03:1335": {`404 L2GatewayConnectionNotFound "The connection 00000000-0000-0000-0000-000000000000 not found on the l2 gateway"`, connectionNamed},
	// same port+vlan through another gateway
	"03:1398": {`409 L2GatewayDuplicateSegmentationID "Duplicate segmentation ID for the interface name=eth1 device=ps1 segmentation_id=5"`, duplicateNamed},
	// same port+vlan, other network (conflict)
	"03:1414": {`409 L2GatewayDuplicateSegmentationID "Duplicate segmentation ID for the interface name=eth1 device=ps1 segmentation_id=5"`, duplicateNamed},
	// list connections
	"03:1499": {"", intentStays},
	// delete again
	"03:1554": {`404 L2GatewayConnectionNotFound "The connection 7e22b51a-9e66-4b22-8d5b-54fbd6feb94b not found on the l2 gateway"`, connectionNamed},
	// delete c2
	"03:1569": {deleted, intentStays},
	// port_fault_status=DOWN
	"03:1795": {created, devicesToCome},
	// switch_fault_status=ERR
	"03:1811": {created, devicesToCome},
}
