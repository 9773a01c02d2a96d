-- The engine-wide record. A container's run state is not here: its monitor keeps it in the container's own directory.
-- Times are nanoseconds since 1970. Digests are written whole, `sha256:` and 64 hexadecimal digits.

-- What the engine root is: 'id' → a random identity made with the root.
CREATE TABLE meta (
    key   TEXT PRIMARY KEY,
    value TEXT NOT NULL
) WITHOUT ROWID;

-- Work that was begun: written before the first directory or kernel object of it exists, deleted when it is whole. A row
-- whose owner is dead is undone (or finished) by whoever meets it.
CREATE TABLE intents (
    id               INTEGER PRIMARY KEY,
    operation        TEXT NOT NULL,
    object           TEXT NOT NULL,
    step             TEXT NOT NULL,
    owner_pid        INTEGER NOT NULL,
    owner_start_time INTEGER NOT NULL,
    owner_boot_id    TEXT NOT NULL,
    created          INTEGER NOT NULL
);

-- Content in blobs/sha256, complete and verified.
CREATE TABLE blobs (
    digest TEXT PRIMARY KEY,
    size   INTEGER NOT NULL
) WITHOUT ROWID;

-- Unpacked layers in layers/, complete and verified. `size` is bytes of file content. An opaque layer hides all below it:
-- overlayfs does not look at the mark on a layer's root, so whoever mounts leaves those below out.
CREATE TABLE layers (
    chain_id TEXT PRIMARY KEY,
    diff_id  TEXT NOT NULL,
    parent   TEXT REFERENCES layers (chain_id),
    size     INTEGER NOT NULL,
    opaque   INTEGER NOT NULL,
    created  INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX layers_by_parent ON layers (parent);

-- Images by id, the digest of the configuration, which is a blob like the manifest. A hidden one was removed by force while
-- containers still stand on it: it goes with the last of them.
CREATE TABLE images (
    id       TEXT PRIMARY KEY REFERENCES blobs (digest),
    manifest TEXT NOT NULL REFERENCES blobs (digest),
    created  INTEGER NOT NULL,
    size     INTEGER NOT NULL,
    loaded   INTEGER NOT NULL,
    hidden   INTEGER NOT NULL DEFAULT 0
) WITHOUT ROWID;
CREATE INDEX images_by_manifest ON images (manifest);

-- An image's layers, lowest first: the unpacked one and the blob it came from.
CREATE TABLE image_layers (
    image_id TEXT NOT NULL REFERENCES images (id) ON DELETE CASCADE,
    position INTEGER NOT NULL,
    chain_id TEXT NOT NULL REFERENCES layers (chain_id),
    blob     TEXT NOT NULL REFERENCES blobs (digest),
    PRIMARY KEY (image_id, position)
) WITHOUT ROWID;
CREATE INDEX image_layers_by_chain ON image_layers (chain_id);
CREATE INDEX image_layers_by_blob ON image_layers (blob);

-- Names in full: docker.io/library/busybox:latest, or with the digest of a manifest that a registry (or an archive made from
-- one) knows under that repository: docker.io/library/busybox@sha256:….
CREATE TABLE tags (
    reference TEXT PRIMARY KEY,
    image_id  TEXT NOT NULL REFERENCES images (id),
    tagged    INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX tags_by_image ON tags (image_id);

-- Containers. `document` is the create request, `config` the image's configuration merged with it.
-- An owner is there while `run` has created and not yet started it: when that process dies in between, the row goes.
CREATE TABLE containers (
    id               TEXT PRIMARY KEY,
    name             TEXT NOT NULL UNIQUE,
    image_id         TEXT NOT NULL REFERENCES images (id),
    created          INTEGER NOT NULL,
    document         TEXT NOT NULL,
    config           TEXT NOT NULL,
    auto_remove      INTEGER NOT NULL,
    removing         INTEGER NOT NULL DEFAULT 0,
    owner_pid        INTEGER,
    owner_start_time INTEGER,
    owner_boot_id    TEXT
) WITHOUT ROWID;
CREATE INDEX containers_by_image ON containers (image_id);
-- Those that reconciling must look at: at most the ones that run, while all others are never read.
CREATE INDEX containers_unsettled ON containers (id)
    WHERE removing OR auto_remove OR owner_pid IS NOT NULL;
