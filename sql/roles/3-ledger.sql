-- What the verifier may write: its findings and nothing else. Run as the owner, after the ledger's tables are made.
grant insert on migration.verification, migration.divergence to {{prefix}}_verifier;
