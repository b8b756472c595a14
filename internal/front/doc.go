// Package front lets L2GW stand where clients look for Neutron: what is ours is
// answered by our API, everything else by a Neutron behind it.
//
// What is ours is told by the path alone, decoded and with repeated slashes taken
// as one, as Neutron's own routing reads it: /v2.0/l2-gateway…, /v2.0/l2_gateway…
// and /v2.0/openapi.json. Three things are of both, and put together here: the
// lists of extensions (/v2.0/extensions) and of collections (/v2.0/), and the
// quotas of a project (/v2.0/quotas…).
//
// What it guarantees:
//
//   - There is one upstream, fixed at the start. A request never says where it goes:
//     absolute-form and authority-form targets (RFC 9112 §3.2) are refused with 400.
//   - A path with a "." or ".." segment, encoded or not, is 404 and reaches nobody,
//     since servers differ in what they take it for.
//   - Method, path, query, body, status, headers and trailers pass through
//     unchanged, both ways as a stream, without a limit to size or, as long as
//     something moves, to time. Neutron's errors are the client's, leave to send a
//     body (100 Continue) is Neutron's, and an answer that breaks off does so for the
//     client. What both answer is read as a whole first, within limits.
//   - A Neutron that hangs holds nobody for longer than Options.Patience, whether it
//     does not answer, does not go on answering, or does not go on reading.
//   - Who the caller is cannot be claimed: headers that a token check behind us
//     would set are taken away ([stripped] says which), with whatever has an
//     underscore in its name, because WSGI takes X_Roles for X-Roles. X-Auth-Token
//     and X-Service-Token pass: Neutron itself checks the tokens of what is its own.
//   - What clients say of Forwarded and X-Forwarded-… is replaced: For is the
//     address that we see, Host and Proto are those of Options.BaseURL or else of the
//     request, so that Neutron's links lead to where the client came from. A load
//     balancer of Options.TrustedProxies is believed what it says of the three.
//   - Nothing is sent twice. Requests that change something go over a connection of
//     their own, which no idle timeout of Neutron's can close under them.
//   - A proxy that reaches itself, or another of our proxies, answers 508.
//   - A failure is a NeutronError: 503 with Retry-After when nothing was done
//     (Neutron cannot be reached, or was only asked to read), 502 and 504 when the
//     connection broke or the answer is late after it was asked to change something.
//
// Request ids: X-Openstack-Request-Id of an answer is that of whoever answered. Each
// request has an id of ours too, in the log, in X-L2gw-Request-Id of what Neutron
// answered, and in Neutron's log as its global request id if the client gave none.
// A request has one line in the log, also where both sides answer it.
//
// What it does not: it has no authentication and no policy of its own, caches
// nothing, and does not rewrite Neutron's bodies.
package front
