// Package neutron runs a real neutron-server for tests, from Debian's packages.
//
// It is the API alone: SQLite, no message broker (oslo.messaging's fake
// transport), no agents, ML2 with VXLAN and the openvswitch driver, no service
// plugins, nothing of L2GW loaded. By default nobody is asked for a token
// (auth_strategy = noauth); [Options] can say otherwise. It answers about five
// seconds after it was asked for.
//
// [Shared] starts one server per test process, in a folder of its own and on a
// free port of 127.0.0.1; tests share its database, so they make networks of
// their own. A package that uses it calls [Main] in its TestMain. If the test's
// process dies instead of ending, the kernel ends the server (PR_SET_PDEATHSIG),
// whose workers end when they see that it is gone.
package neutron
