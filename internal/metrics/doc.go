// Package metrics gives the figures of the other packages the form that
// Prometheus reads. They do not know of it: it reads how they stand at each
// scrape ([agent.Agent.Standings], [controller.Controller.Figures]) and is told
// of what happens ([agent.Meter], [api.Request]).
//
// Guaranteed: the number of series is bounded by the configuration. Labels are
// names of databases, tables of hardware_vtep, routes of the API and words of
// closed sets; no network, MAC, device or project is ever one.
//
// Not guaranteed: that the figures of one scrape are of one moment.
package metrics
