-- What the verifier may write: its findings and nothing else. Run as the owner, after the ledger's tables are made.
grant insert on migration.verification, migration.divergence to {{prefix}}_verifier;
-- And nobody else may: who loads can't say that the load is proved, nor what the catalog was.
revoke insert, update on migration.verification, migration.divergence, migration.fingerprint from {{prefix}}_migrator;
-- That a database was cut over is the end of a proof, and said by who proves.
grant insert on migration.cut_over to {{prefix}}_verifier;
revoke insert, update on migration.cut_over from {{prefix}}_migrator;
