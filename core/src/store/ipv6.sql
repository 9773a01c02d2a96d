-- Version 7: addresses of IPv6, for networks and containers that have any. As text, in the form of RFC 5952. `last` and
-- `last6` are the places in the range behind those of the addresses that were given last.
ALTER TABLE networks ADD COLUMN subnet6 TEXT;
ALTER TABLE networks ADD COLUMN gateway6 TEXT;
ALTER TABLE networks ADD COLUMN last6 INTEGER NOT NULL DEFAULT 0;
ALTER TABLE endpoints ADD COLUMN address6 TEXT;
CREATE UNIQUE INDEX endpoints_by_address6 ON endpoints (network_id, address6);
