-- Who is the controller, and which API request made what.
-- +goose Up

-- The row of a lease stays when it is released: epoch only grows.
-- expires: microseconds since 1970, by this database's clock.
-- writes counts what was written under the lease. That each such write changes the
-- row is what makes it collide with a taking of the lease, also on another node of a
-- cluster that compares only what was changed.
CREATE TABLE leases (
    name    VARCHAR(64)  NOT NULL PRIMARY KEY,
    holder  VARCHAR(255) NOT NULL,
    epoch   BIGINT       NOT NULL,
    expires BIGINT       NOT NULL,
    writes  BIGINT       NOT NULL
);

-- request: the id of the API request, '' if it is not known. A server of the
-- version before does not name the column.
ALTER TABLE bindings ADD COLUMN request VARCHAR(255) NOT NULL DEFAULT '';
ALTER TABLE binding_changes ADD COLUMN request VARCHAR(255) NOT NULL DEFAULT '';
ALTER TABLE intent_writes ADD COLUMN request VARCHAR(255) NOT NULL DEFAULT '';
