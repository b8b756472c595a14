-- Which programs work with this schema, by the newest migration that they know.
-- Each migration first adds only, so that the program before it goes on; the one
-- that at last takes away sets oldest to the first program that lives without.
-- +goose Up
CREATE TABLE schema_compatibility (
    id     INTEGER NOT NULL PRIMARY KEY,
    oldest BIGINT  NOT NULL
);
INSERT INTO schema_compatibility (id, oldest) VALUES (1, 1);
