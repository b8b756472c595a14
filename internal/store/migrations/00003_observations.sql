-- What was last seen of each switch database, for as long as it is away.
-- +goose Up

-- tunnel_ip: '' for a device without any.
CREATE TABLE observed_devices (
    db        VARCHAR(255) NOT NULL,
    device    VARCHAR(255) NOT NULL,
    tunnel_ip VARCHAR(45)  NOT NULL,
    PRIMARY KEY (db, device, tunnel_ip)
);

-- ips: addresses with commas between them.
CREATE TABLE observed_macs (
    db         VARCHAR(255) NOT NULL,
    network_id VARCHAR(255) NOT NULL,
    mac        VARCHAR(17)  NOT NULL,
    vtep       VARCHAR(45)  NOT NULL,
    ips        TEXT         NOT NULL,
    PRIMARY KEY (db, network_id, mac)
);
