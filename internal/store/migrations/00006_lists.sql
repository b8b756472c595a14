-- Each page of a list costs the same: an index has what it is filtered and sorted
-- by, to its end, the id.
-- +goose Up
CREATE INDEX gateways_name_id ON gateways (name, id);
CREATE INDEX gateways_project_created ON gateways (project_id, created_at, id);
CREATE INDEX gateways_project_name ON gateways (project_id, name, id);
CREATE INDEX connections_network_id ON connections (network_id, id);
CREATE INDEX connections_gateway_id ON connections (gateway_id, id);
CREATE INDEX connections_project_created ON connections (project_id, created_at, id);

-- These begin with the columns of the ones before.
DROP INDEX gateways_name ON gateways;
DROP INDEX gateways_project ON gateways;
DROP INDEX connections_network ON connections;
DROP INDEX connections_project ON connections;
