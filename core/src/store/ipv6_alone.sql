-- Version 8: networks without IPv4. `address` may be missing, which SQLite lets no one say of a column that is there.
CREATE TABLE endpoints_of_both (
    container_id TEXT NOT NULL REFERENCES containers (id) ON DELETE CASCADE,
    network_id   TEXT NOT NULL,
    position     INTEGER NOT NULL,
    settings     TEXT NOT NULL,
    address      INTEGER,
    address6     TEXT,
    PRIMARY KEY (container_id, network_id)
) WITHOUT ROWID;
INSERT INTO endpoints_of_both SELECT container_id, network_id, position, settings, address, address6 FROM endpoints;
DROP TABLE endpoints;
ALTER TABLE endpoints_of_both RENAME TO endpoints;
CREATE UNIQUE INDEX endpoints_by_address ON endpoints (network_id, address);
CREATE UNIQUE INDEX endpoints_by_address6 ON endpoints (network_id, address6);
