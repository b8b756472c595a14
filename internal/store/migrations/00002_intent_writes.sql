-- Which write made which revision of intent: by its token, a writer that lost the
-- answer to its commit finds out whether it was done. As old as the change log.
-- +goose Up
CREATE TABLE intent_writes (
    revision BIGINT      NOT NULL PRIMARY KEY,
    token    VARCHAR(36) NOT NULL
);
