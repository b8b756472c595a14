package api

import (
	"net/http"
	"time"

	"l2gw"
)

// Forms and sentences that several tables have in common.
var (
	idSchema       = formatted("uuid")
	nameSchema     = textUpTo(l2gw.MaxName)
	revisionSchema = schema{{"type", "integer"}, {"minimum", 0}}
	statusSchema   = oneOf("ACTIVE", "BUILD", "PENDING", "DEGRADED", "DOWN", "ERROR")
)

const (
	projectDoc  = "The project that it belongs to; without it the caller's own. Only administrators may name another."
	tenantDoc   = "The same as project_id, which is its newer name. If both are given, they must be the same."
	statusDoc   = "How far it has become true: ACTIVE confirmed, BUILD not yet confirmed, PENDING the switch is not known or never connected, DEGRADED works in part, DOWN a fault is reported, ERROR cannot be applied."
	reasonDoc   = "Why the status is as it is, or empty."
	createdDoc  = "When it was created (UTC)."
	updatedDoc  = "When a user last changed it (UTC); a new status is no change."
	revisionDoc = "Grows with each change that a user makes."
)

// Ids and times of the examples.
const (
	exampleGateway    = "31bf3918-c02b-4767-ae5d-27bbe54dab4f"
	exampleNetwork    = "fdfb8d1a-9f7f-4796-b9af-b650b7a1ba65"
	exampleConnection = "abab279e-5970-4f7a-a158-59b3c58ecb31"
	exampleDevice     = "8ce11b32-5473-4eaa-834e-c5218f3593d3"
	exampleProject    = "5c3f1a0f2d7b4e0c9a86f2f0c1d7e9ab"
)

var exampleTime = time.Date(2026, 11, 21, 1, 2, 3, 0, time.UTC)

// Errors that several operations have in common.
var (
	gatewayMissing    = fault{http.StatusNotFound, "L2GatewayNotFound", "There is no such gateway, or the caller may not use it."}
	connectionMissing = fault{http.StatusNotFound, "L2GatewayConnectionNotFound", "There is no such connection."}
	vlanWrong         = fault{http.StatusBadRequest, "InvalidInput", "A VLAN that is no integer or out of range, or that is missing or given on both sides."}
	vlansMixed        = fault{http.StatusConflict, "L2GatewaySegmentationRequired", "Some interfaces of a device have VLANs and others have none."}
	portTaken         = fault{http.StatusConflict, "L2GatewayDuplicateSegmentationID", "The VLAN of a port is bound by another connection."}
	overQuota         = fault{http.StatusConflict, "OverQuota", "The project has as many as it may have."}
)
