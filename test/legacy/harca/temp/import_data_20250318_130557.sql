CREATE TABLE "code_vectors" ("embedding" USER-DEFINED);
INSERT INTO "code_vectors" VALUES (E'a\\nb');
