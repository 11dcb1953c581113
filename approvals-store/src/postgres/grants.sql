-- What the two roles of `roles.sql` may do, for those of them that exist. Run after each migration.
DO $$
BEGIN
    REVOKE ALL ON ALL TABLES IN SCHEMA approvals FROM PUBLIC;
    -- Asks, decides and uses: adds to the log and cannot change what is in it.
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'approvals_app') THEN
        REVOKE ALL ON ALL TABLES IN SCHEMA approvals FROM approvals_app;
        GRANT USAGE ON SCHEMA approvals TO approvals_app;
        GRANT SELECT ON ALL TABLES IN SCHEMA approvals TO approvals_app;
        GRANT INSERT ON approvals.records, approvals.subtrees, approvals.ids TO approvals_app;
        GRANT UPDATE ON approvals.head TO approvals_app;
        GRANT INSERT, UPDATE ON approvals.requests TO approvals_app;
        GRANT INSERT, UPDATE ON approvals.channels TO approvals_app;
        GRANT INSERT, DELETE ON approvals.disclosures TO approvals_app;
        GRANT INSERT, UPDATE, DELETE ON approvals.data_keys, approvals.counters, approvals.outbox
            TO approvals_app;
    END IF;
    -- Verifies and exports the log; what people were shown is not for it, not even as ciphertext.
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'approvals_auditor') THEN
        REVOKE ALL ON ALL TABLES IN SCHEMA approvals FROM approvals_auditor;
        GRANT USAGE ON SCHEMA approvals TO approvals_auditor;
        GRANT SELECT ON approvals.versions, approvals.records, approvals.head, approvals.subtrees,
            approvals.ids, approvals.requests TO approvals_auditor;
    END IF;
END $$;
