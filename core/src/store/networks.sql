-- Version 5: networks.

-- `document` is the create request. A bridge's subnet, `172.20.0.0/16`, and the host's address in it are in columns of their own,
-- whether they were asked for or chosen. `last` is the address that was given last.
CREATE TABLE networks (
    id       TEXT PRIMARY KEY,
    name     TEXT NOT NULL UNIQUE,
    driver   TEXT NOT NULL,
    created  INTEGER NOT NULL,
    document TEXT NOT NULL,
    subnet   TEXT,
    gateway  INTEGER,
    last     INTEGER NOT NULL DEFAULT 0,
    removing INTEGER NOT NULL DEFAULT 0
) WITHOUT ROWID;

-- Which container has which network, in which order, and its address there, which is its own until it leaves. A container that does
-- not run does not keep a network from being removed: the row then leads nowhere, and says so at the next start.
CREATE TABLE endpoints (
    container_id TEXT NOT NULL REFERENCES containers (id) ON DELETE CASCADE,
    network_id   TEXT NOT NULL,
    position     INTEGER NOT NULL,
    settings     TEXT NOT NULL,
    address      INTEGER NOT NULL,
    PRIMARY KEY (container_id, network_id)
) WITHOUT ROWID;
CREATE UNIQUE INDEX endpoints_by_address ON endpoints (network_id, address);
