-- What changed last is looked for first: such a page costs what one by name does.
-- +goose Up
CREATE INDEX gateways_updated ON gateways (updated_at, id);
CREATE INDEX connections_updated ON connections (updated_at, id);
