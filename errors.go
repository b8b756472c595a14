package l2gw

import (
	"errors"
	"fmt"
	"strings"
)

// Code is the kind of an error: what the caller can do about it. The set is closed.
type Code string

// The codes and the HTTP status that the API gives each of them.
const (
	Invalid      Code = "invalid"      // the request is wrong in itself (400)
	Unauthorized Code = "unauthorized" // nobody knows who the caller is (401)
	Forbidden    Code = "forbidden"    // the caller may not do it (403)
	NotFound     Code = "not_found"    // what it names does not exist (404)
	Conflict     Code = "conflict"     // it contradicts what exists (409)
	Unavailable  Code = "unavailable"  // a dependency is down; try again later (503)
	Internal     Code = "internal"     // our fault; logged, never shown (500)
)

// Error is an error that its user may see: Type and Message are those of
// Neutron's l2-gateway extensions, so that existing clients understand them.
type Error struct {
	Code    Code
	Type    string
	Message string
	// Err is what lies behind, for the log; it is never shown. It may be nil.
	Err error
}

// Error returns the message alone, as a user reads it.
func (e *Error) Error() string { return e.Message }

// Unwrap returns what lies behind, or nil.
func (e *Error) Unwrap() error { return e.Err }

// ErrorCode returns the code of the first [Error] in err's tree, "" if err is
// nil and [Internal] for everything else.
func ErrorCode(err error) Code {
	if err == nil {
		return ""
	}
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Code
	}
	return Internal
}

// AdminRequired says that a caller is not allowed to do verb ("CREATE", and "GET"
// for all else: networking-l2gw asks the same question before it shows, changes
// and deletes).
func AdminRequired(verb string) *Error {
	return &Error{Forbidden, "AdminRequired", "User does not have admin privileges: Cannot " + verb + " resource for non admin tenant.", nil}
}

// RepeatKeyTaken says that a client sent another request under a key that it used
// before (the header Idempotency-Key).
func RepeatKeyTaken(key string) *Error {
	return &Error{Conflict, "IdempotencyKeyTaken", "The Idempotency-Key '" + key + "' was sent with another request before: each request needs a key of its own.", nil}
}

// RepeatedObjectGone says that a request came again after what it had made was removed.
func RepeatedObjectGone(key string) *Error {
	return &Error{Conflict, "IdempotencyKeyTaken", "The request with the Idempotency-Key '" + key + "' was done before, and what it made has been removed since.", nil}
}

// OverQuota says that a project may not have more of these resources (neutron_lib's OverQuota).
func OverQuota(resources ...string) *Error {
	return &Error{Conflict, "OverQuota", fmt.Sprintf("Quota exceeded for resources: ['%s'].", strings.Join(resources, "', '")), nil}
}

// QuotaBelowUse says that a project has more already than a limit that it is to have
// (neutron/extensions/quotasv2.py).
func QuotaBelowUse(resource string, limit, used int) *Error {
	return &Error{Invalid, "HTTPBadRequest", fmt.Sprintf("Quota limit %d for %s must be greater than or equal to already used %d", limit, resource, used), nil}
}

// QuotaNotFound says that a project has no limits of its own (neutron_lib's TenantQuotaNotFound).
func QuotaNotFound(project string) *Error {
	return &Error{NotFound, "TenantQuotaNotFound", "Quota for tenant " + project + " could not be found.", nil}
}

// BadAttribute says that an attribute's value cannot be taken, and why.
func BadAttribute(attribute, format string, args ...any) *Error {
	return &Error{Invalid, "HTTPBadRequest", "Invalid input for " + attribute + ". Reason: " + fmt.Sprintf(format, args...), nil}
}

// InvalidInput says that an operation cannot be done with what was given.
func InvalidInput(format string, args ...any) *Error {
	return &Error{Invalid, "InvalidInput", "Invalid input for operation: " + fmt.Sprintf(format, args...), nil}
}

// ChangeTooLarge says that a change of a gateway would add and remove n bindings of
// its connections, which are more than [MaxChange].
func ChangeTooLarge(n, connections int) *Error {
	return InvalidInput("this change would add and remove %d bindings of %d connections at once: the limit is %d. Change fewer interfaces at a time.",
		n, connections, MaxChange)
}

// SegmentationIDInvalid says that a VLAN id is not a number.
func SegmentationIDInvalid() *Error {
	return InvalidInput("Segmentation id must be a valid integer.")
}

// SegmentationIDOutOfRange says that a VLAN id is not within 0..4094.
func SegmentationIDOutOfRange() *Error {
	return InvalidInput("Segmentation id is out of range.")
}

// SegmentationIDMissing says that neither the gateway nor the connection has a VLAN.
func SegmentationIDMissing() *Error {
	return InvalidInput("Segmentation id must be specified in create l2gateway connections.")
}

// SegmentationIDTwice says that both the gateway and the connection have VLANs.
func SegmentationIDTwice() *Error {
	return InvalidInput("default segmentation_id should not be provided when segmentation_id is assigned during l2gateway creation.")
}

// BadSortKey says that a list cannot be sorted by key.
func BadSortKey(key string) *Error {
	return &Error{Invalid, "HTTPBadRequest", "['" + key + "'] is invalid attribute for sort_keys", nil}
}

// MarkerNotFound says that a page cannot begin after an object that is not there.
func MarkerNotFound(marker string) *Error {
	return InvalidInput("marker '%s' could not be found.", marker)
}

// GatewayNotFound says that there is no gateway with this id.
func GatewayNotFound(id string) *Error {
	return &Error{NotFound, "L2GatewayNotFound", "L2 Gateway " + id + " could not be found", nil}
}

// DeviceNotFound says that a gateway has no device of this name.
func DeviceNotFound(name string) *Error {
	return &Error{NotFound, "L2GatewayDeviceNotFound", "L2 Gateway Device " + name + " could not be found.", nil}
}

// ConnectionNotFound says that there is no connection with this id.
func ConnectionNotFound(id string) *Error {
	return &Error{NotFound, "L2GatewayConnectionNotFound", "The connection " + id + " not found on the l2 gateway", nil}
}

// NetworkNotFound says that no inventory knows this network.
func NetworkNotFound(id string) *Error {
	return &Error{NotFound, "NetworkNotFound", "Network " + id + " could not be found.", nil}
}

// NetworkWithoutVXLAN says that a network has no VXLAN segment to connect.
func NetworkWithoutVXLAN(id string) *Error {
	return &Error{NotFound, "VxlanSegmentationIDNotFound", "vxlan segmentation id not found for the network '" + id + "'", nil}
}

// MultipleVXLANSegments says that a network has more than one VXLAN segment, so
// that its VNI is not clear.
func MultipleVXLANSegments(id string) *Error {
	return &Error{Conflict, "MultipleVxlanSegmentsFound", "Multiple Vxlan segments found for the network '" + id + "'", nil}
}

// GatewayInUse says that a gateway has connections and therefore stays.
func GatewayInUse(id string) *Error {
	return &Error{Conflict, "L2GatewayInUse", "L2 Gateway '" + id + "' still has active mappings with one or more neutron networks.", nil}
}

// ConnectionExists says that the network is connected to the gateway already.
func ConnectionExists(gatewayID, networkID string, vlan *VLAN) *Error {
	segmentationID := ""
	if vlan != nil {
		segmentationID = fmt.Sprint(*vlan)
	}
	return &Error{Conflict, "L2GatewayConnectionExists", fmt.Sprintf(
		"The specified mapping '{'network_id': '%s', 'l2_gateway_id': '%s', 'segmentation_id': '%s'}' exists on network gateway '%s'.",
		networkID, gatewayID, segmentationID, gatewayID), nil}
}

// DuplicateSegmentationID says that another binding has this device, interface and VLAN.
func DuplicateSegmentationID(k BindingKey) *Error {
	return &Error{Conflict, "L2GatewayDuplicateSegmentationID", fmt.Sprintf(
		"Duplicate segmentation ID for the interface name=%s device=%s segmentation_id=%d", k.Interface, k.Device, k.VLAN), nil}
}

// SegmentationIDRequired says that some interfaces have VLANs of their own and
// others, which should be like them, have not.
func SegmentationIDRequired() *Error {
	return &Error{Conflict, "L2GatewaySegmentationRequired", "L2 gateway segmentation id must be consistent for all the interfaces", nil}
}

// SegmentationIDExists says that an update would take the VLANs from a device that has some.
func SegmentationIDExists() *Error {
	return &Error{Conflict, "L2GatewaySegmentationIDExists", "The segmentation id is already specified in existing gateway interfaces.", nil}
}

// SegmentationIDNotExists says that an update would give VLANs to a device that has none.
func SegmentationIDNotExists() *Error {
	return &Error{Conflict, "L2GatewaySegmentationIDNotExists", "The segmentation id is not specified in existing gateway interfaces.", nil}
}

// ServiceUnavailable says that something the answer needs is down. What it is
// may be shown; cause may not.
func ServiceUnavailable(what string, cause error) *Error {
	return &Error{Unavailable, "ServiceUnavailable", what + " is not available at the moment. Try again later.", cause}
}
