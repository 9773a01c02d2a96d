-- Version 3: what a check has found, and the index that other programs read.

-- A blob that a check has found damaged is not believed until it was stored again.
ALTER TABLE blobs ADD COLUMN damaged INTEGER NOT NULL DEFAULT 0;

-- `index.json` tells other programs of images and their names: 'index' in meta says that it has to be written anew. (Not with OR
-- REPLACE: the conflict clause of the statement that fires a trigger overrides the trigger's own.)
CREATE TRIGGER index_of_new_tag AFTER INSERT ON tags WHEN NOT EXISTS (SELECT 1 FROM meta WHERE key = 'index')
    BEGIN INSERT INTO meta (key, value) VALUES ('index', 'stale'); END;
CREATE TRIGGER index_of_tag AFTER UPDATE ON tags WHEN NOT EXISTS (SELECT 1 FROM meta WHERE key = 'index')
    BEGIN INSERT INTO meta (key, value) VALUES ('index', 'stale'); END;
CREATE TRIGGER index_of_old_tag AFTER DELETE ON tags WHEN NOT EXISTS (SELECT 1 FROM meta WHERE key = 'index')
    BEGIN INSERT INTO meta (key, value) VALUES ('index', 'stale'); END;
CREATE TRIGGER index_of_new_image AFTER INSERT ON images WHEN NOT EXISTS (SELECT 1 FROM meta WHERE key = 'index')
    BEGIN INSERT INTO meta (key, value) VALUES ('index', 'stale'); END;
CREATE TRIGGER index_of_image AFTER UPDATE ON images WHEN NOT EXISTS (SELECT 1 FROM meta WHERE key = 'index')
    BEGIN INSERT INTO meta (key, value) VALUES ('index', 'stale'); END;
CREATE TRIGGER index_of_old_image AFTER DELETE ON images WHEN NOT EXISTS (SELECT 1 FROM meta WHERE key = 'index')
    BEGIN INSERT INTO meta (key, value) VALUES ('index', 'stale'); END;

-- The images of a root from before are in none yet.
INSERT INTO meta (key, value) SELECT 'index', 'stale' WHERE EXISTS (SELECT 1 FROM images);
