-- +goose Up
-- River's job table holds IDs only. The api sees and adds its own account's jobs.
-- The worker and the drift monitor run River, which must see all jobs; but what
-- they add is the account's of the job that they run, unless that job is a tick, and
-- of the kinds that their own work leads to: a restore is asked for by the api alone.
alter table river.river_job enable row level security;
alter table river.river_job force row level security;

create policy river_job_definer on river.river_job for select to imago_definer using (true);

create policy river_job_api_select on river.river_job for select to imago_api
    using (args ->> 'account_id' = (select current_account())::text
        or (kind = 'send_code' and args ->> 'code_id' = (select current_code_id())::text));
create policy river_job_api_insert on river.river_job for insert to imago_api
    with check ((kind in ('check_connection', 'take_snapshot', 'plan_restore', 'apply_restore')
            and args ->> 'account_id' = (select current_account())::text)
        or (kind = 'send_code' and args ->> 'code_id' = (select current_code_id())::text and not args ? 'account_id'));
create policy river_job_api_update on river.river_job for update to imago_api
    using (args ->> 'account_id' = (select current_account())::text
        or (kind = 'send_code' and args ->> 'code_id' = (select current_code_id())::text));
-- River's insert of a unique job touches the kind of the one that is there (on conflict do update).
grant select, insert, update (kind) on river.river_job to imago_api;

create policy river_job_work_select on river.river_job for select to imago_worker, imago_drift using (true);
create policy river_job_work_update on river.river_job for update to imago_worker, imago_drift using (true);
create policy river_job_work_delete on river.river_job for delete to imago_worker, imago_drift using (true);
-- Whoever leads River adds the ticks.
create policy river_job_tick_insert on river.river_job for insert to imago_worker, imago_drift
    with check (kind in ('run_schedules', 'start_follows') and not args ? 'account_id');
create policy river_job_worker_insert on river.river_job for insert to imago_worker
    with check ((kind in ('follow_log', 'send_message', 'sweep_repository')
            and args ->> 'account_id' = (select current_account())::text)
        -- A restore whose job was lost has its window closed by another one.
        or (kind in ('take_snapshot', 'report_failure', 'sweep_repository', 'apply_restore')
            and (select current_job_kind()) = 'run_schedules'));
create policy river_job_drift_insert on river.river_job for insert to imago_drift
    with check ((kind = 'send_message' and args ->> 'account_id' = (select current_account())::text)
        or (kind = 'follow_log' and (select current_job_kind()) = 'start_follows'));
grant select, insert, update, delete on river.river_job to imago_worker, imago_drift;
grant select, insert, update, delete on river.river_leader, river.river_queue, river.river_notification
    to imago_worker, imago_drift;
grant select on river.river_migration to imago_worker, imago_drift;
grant usage on all sequences in schema river to imago_api, imago_worker, imago_drift;

-- +goose StatementBegin
create function guard_job() returns trigger
language plpgsql set search_path = ''
as $$
begin
    raise exception 'job % stays about what it was about', old.id using errcode = 'IM002';
end
$$;
-- +goose StatementEnd
comment on function guard_job() is 'a job''s kind, queue and args are its proof: they do not change';
create trigger river_job_guard before update on river.river_job for each row
    when (old.kind is distinct from new.kind or old.args is distinct from new.args or old.queue is distinct from new.queue)
    execute function guard_job();
