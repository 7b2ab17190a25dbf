-- The two-person rule: what two operators have approved, which the gateway runs by whatever its configuration says. A row for each
-- account, and one under '' for the gateway itself; none at all where the rule is not in force. The values are the gateway's own, JSON.
-- An earlier program refuses a database of this version, and so cannot run round the rule.
CREATE TABLE approved (
    name  TEXT PRIMARY KEY,
    value BLOB NOT NULL
) STRICT, WITHOUT ROWID;

PRAGMA user_version = 4;
