-- Version 2: volumes.

-- Volumes. `options` and `labels` are JSON objects. Their files are in volumes/<name>/_data.
CREATE TABLE volumes (
    name      TEXT PRIMARY KEY,
    options   TEXT NOT NULL,
    labels    TEXT NOT NULL,
    created   INTEGER NOT NULL,
    anonymous INTEGER NOT NULL,
    removing  INTEGER NOT NULL DEFAULT 0
) WITHOUT ROWID;
CREATE INDEX volumes_removing ON volumes (name) WHERE removing;

-- Which container has which volume; `anonymous` when it goes with the container, if that is removed with its volumes.
CREATE TABLE volume_uses (
    container_id TEXT NOT NULL REFERENCES containers (id),
    volume       TEXT NOT NULL REFERENCES volumes (name),
    anonymous    INTEGER NOT NULL,
    PRIMARY KEY (container_id, volume)
) WITHOUT ROWID;
CREATE INDEX volume_uses_by_volume ON volume_uses (volume);

-- What a container has mounted beside what every container has, as a JSON array; and whether its anonymous volumes go with it.
ALTER TABLE containers ADD COLUMN mounts TEXT NOT NULL DEFAULT '[]';
ALTER TABLE containers ADD COLUMN with_volumes INTEGER NOT NULL DEFAULT 0;
