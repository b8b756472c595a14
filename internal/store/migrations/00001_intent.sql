-- Timestamps are microseconds since 1970, UTC. Ids are UUIDs made by the program.
-- +goose Up

-- One row. Each write of intent bumps revision first, which orders all writes.
-- The change log holds everything after the revision trimmed.
CREATE TABLE intent (
    id       INTEGER NOT NULL PRIMARY KEY,
    revision BIGINT  NOT NULL,
    trimmed  BIGINT  NOT NULL
);
INSERT INTO intent (id, revision, trimmed) VALUES (1, 0, 0);

CREATE TABLE gateways (
    id          VARCHAR(36)  NOT NULL PRIMARY KEY,
    project_id  VARCHAR(255) NOT NULL,
    name        VARCHAR(255) NOT NULL,
    description VARCHAR(255) NOT NULL,
    created_at  BIGINT       NOT NULL,
    updated_at  BIGINT       NOT NULL,
    revision    BIGINT       NOT NULL
);
CREATE INDEX gateways_created ON gateways (created_at, id);
CREATE INDEX gateways_name ON gateways (name);
CREATE INDEX gateways_project ON gateways (project_id);

CREATE TABLE gateway_devices (
    id         VARCHAR(36)  NOT NULL PRIMARY KEY,
    gateway_id VARCHAR(36)  NOT NULL REFERENCES gateways (id),
    ordinal    INTEGER      NOT NULL,
    name       VARCHAR(255) NOT NULL
);
CREATE UNIQUE INDEX gateway_devices_name ON gateway_devices (gateway_id, name);

-- vlans: decimal numbers with commas between them, in the order given.
CREATE TABLE gateway_interfaces (
    gateway_id VARCHAR(36)  NOT NULL REFERENCES gateways (id),
    device_id  VARCHAR(36)  NOT NULL,
    ordinal    INTEGER      NOT NULL,
    name       VARCHAR(255) NOT NULL,
    vlans      TEXT         NOT NULL,
    PRIMARY KEY (gateway_id, device_id, ordinal)
);

-- vlan: -1 if the connection brings none.
CREATE TABLE connections (
    id          VARCHAR(36)  NOT NULL PRIMARY KEY,
    project_id  VARCHAR(255) NOT NULL,
    gateway_id  VARCHAR(36)  NOT NULL REFERENCES gateways (id),
    network_id  VARCHAR(255) NOT NULL,
    description VARCHAR(255) NOT NULL,
    vlan        INTEGER      NOT NULL,
    created_at  BIGINT       NOT NULL,
    updated_at  BIGINT       NOT NULL,
    revision    BIGINT       NOT NULL
);
CREATE UNIQUE INDEX connections_mapping ON connections (gateway_id, network_id);
CREATE INDEX connections_created ON connections (created_at, id);
CREATE INDEX connections_network ON connections (network_id);
CREATE INDEX connections_project ON connections (project_id);

CREATE TABLE bindings (
    device        VARCHAR(255) NOT NULL,
    interface     VARCHAR(255) NOT NULL,
    vlan          INTEGER      NOT NULL,
    network_id    VARCHAR(255) NOT NULL,
    connection_id VARCHAR(36)  NOT NULL REFERENCES connections (id),
    gateway_id    VARCHAR(36)  NOT NULL,
    revision      BIGINT       NOT NULL,
    PRIMARY KEY (device, interface, vlan)
);
CREATE INDEX bindings_connection ON bindings (connection_id);
CREATE INDEX bindings_gateway ON bindings (gateway_id);

-- Within one revision, removals come before additions.
CREATE TABLE binding_changes (
    revision      BIGINT       NOT NULL,
    ordinal       INTEGER      NOT NULL,
    bound         INTEGER      NOT NULL,
    device        VARCHAR(255) NOT NULL,
    interface     VARCHAR(255) NOT NULL,
    vlan          INTEGER      NOT NULL,
    network_id    VARCHAR(255) NOT NULL,
    connection_id VARCHAR(36)  NOT NULL,
    gateway_id    VARCHAR(36)  NOT NULL,
    PRIMARY KEY (revision, ordinal)
);

-- What on each switch database is ours, tombstones included.
CREATE TABLE owned_networks (
    db         VARCHAR(255) NOT NULL,
    network_id VARCHAR(255) NOT NULL,
    vni        INTEGER      NOT NULL,
    PRIMARY KEY (db, network_id)
);
CREATE TABLE owned_bindings (
    db         VARCHAR(255) NOT NULL,
    device     VARCHAR(255) NOT NULL,
    interface  VARCHAR(255) NOT NULL,
    vlan       INTEGER      NOT NULL,
    network_id VARCHAR(255) NOT NULL,
    PRIMARY KEY (db, device, interface, vlan)
);
