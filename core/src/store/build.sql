-- Version 4: builds.

-- What steps of builds came to. `key` is the digest of the layers below and of what was done there; `parent` is the topmost layer
-- below. Without a chain id the step has changed nothing. `used` is when a build last took it.
CREATE TABLE build_cache (
    key         TEXT PRIMARY KEY,
    parent      TEXT,
    chain_id    TEXT REFERENCES layers (chain_id),
    blob        TEXT REFERENCES blobs (digest),
    description TEXT NOT NULL,
    created     INTEGER NOT NULL,
    used        INTEGER NOT NULL,
    uses        INTEGER NOT NULL DEFAULT 0
) WITHOUT ROWID;
CREATE INDEX build_cache_by_chain ON build_cache (chain_id);
CREATE INDEX build_cache_by_blob ON build_cache (blob);
