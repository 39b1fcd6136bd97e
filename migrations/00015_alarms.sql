-- +goose Up
-- A schedule whose snapshots stay away raises an alarm, once, until one is taken.
alter table schedules add column alarm_at timestamptz;
comment on column schedules.alarm_at is 'when somebody must hear that no snapshot was taken; null: to be worked out; infinity: they have heard';
create index schedules_alarm_idx on schedules (alarm_at) where enabled;
grant update (alarm_at) on schedules to imago_api, imago_worker;
-- The worker gives a connection that has become ready its first schedule.
grant insert (connection_id, account_id, cron, time_zone, enabled, next_run_at) on schedules to imago_worker;

alter table messages drop constraint messages_kind_known;
alter table messages add constraint messages_kind_known
    check (kind in ('finding', 'receipt', 'snapshot_failed', 'snapshot_overdue'));

-- For imago_worker, with a running run_schedules job. The rows stay locked until the
-- transaction ends, in which set_alarm moves them on.
-- +goose StatementBegin
create function claim_alarms(at timestamptz, most int)
returns table (account_id uuid, connection_id uuid, cron text, time_zone text, due boolean)
language sql volatile security definer set search_path = ''
as $$
    select s.account_id, s.connection_id, s.cron, s.time_zone, s.alarm_at is not null
    from public.schedules s
    where public.current_job_kind() = 'run_schedules' and s.enabled
        and (s.alarm_at is null or s.alarm_at <= at)
    order by s.alarm_at nulls first
    limit most
    for update skip locked
$$;
-- +goose StatementEnd
comment on function claim_alarms(timestamptz, int) is 'schedules whose alarm is to be raised (due) or to be worked out';

-- For imago_worker, with a running run_schedules job.
-- +goose StatementBegin
create function set_alarm(connection uuid, alarm timestamptz)
returns void
language plpgsql volatile security definer set search_path = ''
as $$
begin
    if public.current_job_kind() is distinct from 'run_schedules' then
        raise exception 'only the tick sets alarms' using errcode = 'IM002';
    end if;
    update public.schedules s set alarm_at = coalesce(alarm, 'infinity') where s.connection_id = connection;
end
$$;
-- +goose StatementEnd
comment on function set_alarm(uuid, timestamptz) is 'moves a schedule''s alarm; null: it was raised, and is not raised again';

-- +goose StatementBegin
do $$
declare
    f text;
begin
    execute 'grant create on schema public to imago_definer';
    foreach f in array array['claim_alarms(timestamptz, int)', 'set_alarm(uuid, timestamptz)'] loop
        execute format('alter function public.%s owner to imago_definer', f);
        execute format('revoke execute on function public.%s from public', f);
        execute format('grant execute on function public.%s to imago_worker', f);
    end loop;
    execute 'revoke create on schema public from imago_definer';
end
$$;
-- +goose StatementEnd
