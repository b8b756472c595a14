-- Which write was done for which request of a client that may send it again, and
-- what it made. As old as the change log.
-- +goose Up

-- digest: of the request, so that one key is not taken for two of them.
CREATE TABLE repeatable_writes (
    repeat_key VARCHAR(255) NOT NULL PRIMARY KEY,
    digest     VARCHAR(64)  NOT NULL,
    revision   BIGINT       NOT NULL
);
CREATE INDEX repeatable_writes_revision ON repeatable_writes (revision);

CREATE TABLE repeatable_objects (
    revision  BIGINT      NOT NULL,
    ordinal   INTEGER     NOT NULL,
    object_id VARCHAR(36) NOT NULL,
    PRIMARY KEY (revision, ordinal)
);
