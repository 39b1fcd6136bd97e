-- +goose Up
-- Who has swept a repository has it checked.
create policy river_job_check_insert on river.river_job for insert to imago_worker
    with check (kind = 'check_repository' and (select current_job_kind()) = 'sweep_repository'
        and args ->> 'account_id' = (select current_account())::text);
