-- +goose Up
-- Who looks for what lies in the store and no row tells of sees the rows of what was let go and
-- is not removed yet.

alter policy snapshots_own on snapshots
    using (account_id = (select current_account())
        and (expired_at is null or (select current_job_kind()) in ('forget_snapshots', 'check_repository', 'reseal_repository')));
