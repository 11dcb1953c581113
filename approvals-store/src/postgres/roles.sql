-- Run once, by whoever may make roles, before the owner opens the ledger for the first time.
-- The owner of the schema `approvals` is the role with which `PostgresStore::migrate` is called (or
-- `approvals migrate`): give it CREATE on the database, and give its password to nobody who runs a
-- gate. Gates log in as a member of `approvals_app`, auditors as a member of `approvals_auditor`.
CREATE ROLE approvals_app NOLOGIN;
CREATE ROLE approvals_auditor NOLOGIN;
