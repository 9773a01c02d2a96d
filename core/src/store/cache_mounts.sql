-- Version 6: cache mounts.

-- Directories of RUN --mount=type=cache. `name` is the directory's, a digest of `id`; `used` is when a step last took it.
-- `size` was right at `measured`, and is until the next use.
CREATE TABLE cache_mounts (
    name     TEXT PRIMARY KEY,
    id       TEXT NOT NULL,
    created  INTEGER NOT NULL,
    used     INTEGER NOT NULL,
    uses     INTEGER NOT NULL DEFAULT 0,
    size     INTEGER NOT NULL DEFAULT 0,
    measured INTEGER NOT NULL DEFAULT 0
) WITHOUT ROWID;
