-- How logins come in: methods, second factor, lock, networks.
ALTER TABLE users ADD COLUMN methods TEXT NOT NULL DEFAULT '';          -- "key,password+totp"; '': whatever the user has
ALTER TABLE users ADD COLUMN password_at INTEGER NOT NULL DEFAULT 0;    -- when the password was set
ALTER TABLE users ADD COLUMN one_time INTEGER NOT NULL DEFAULT 0;       -- 1: it must be changed at the next login
ALTER TABLE users ADD COLUMN second_factor BLOB NOT NULL DEFAULT x'';   -- sealed, see vault/totp.go
ALTER TABLE users ADD COLUMN failures INTEGER NOT NULL DEFAULT 0;       -- wrong guesses since the last login
ALTER TABLE users ADD COLUMN locked_at INTEGER NOT NULL DEFAULT 0;      -- when too many of them locked the user; 0 is not
ALTER TABLE users ADD COLUMN allow_from TEXT NOT NULL DEFAULT '';       -- networks, with commas; '': from anywhere
ALTER TABLE users ADD COLUMN deny_from TEXT NOT NULL DEFAULT '';
ALTER TABLE users ADD COLUMN sealed_name BLOB NOT NULL DEFAULT x'';      -- the login's name, see vault/name.go; x'' if it is kept nowhere
ALTER TABLE users ADD COLUMN name_witness BLOB NOT NULL DEFAULT x'';     -- of that, see vault/witness.go
ALTER TABLE users ADD COLUMN name_certificate TEXT NOT NULL DEFAULT '';  -- fingerprint of what it is sealed to
UPDATE users SET password_at = created_at WHERE password_hash <> '';

PRAGMA user_version = 3;
