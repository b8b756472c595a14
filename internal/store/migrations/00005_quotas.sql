-- How many of a resource a project may have, where that is not what all may.
-- +goose Up

-- most: -1 for any number.
CREATE TABLE quotas (
    project_id VARCHAR(255) NOT NULL,
    resource   VARCHAR(64)  NOT NULL,
    most       INTEGER      NOT NULL,
    PRIMARY KEY (project_id, resource)
);
