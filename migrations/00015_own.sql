-- +goose Up
-- Our own writes are known in an org's log by the transactions that the journal of the
-- restore keeps, and each silence of a log is told.

-- The journal's lines are sealed, and say what was written: the drift monitor sees no more.
alter policy restore_steps_own on restore_steps to imago_api, imago_worker, imago_drift;
grant select (restore_id, account_id, n, state, sealed, begun_at, ended_at) on restore_steps to imago_drift;

-- An alarm has an ID of its own, which is the subject of its mail: a second one since the
-- last snapshot is another.
alter table log_cursors add column alarm_id uuid;
alter table log_cursors add constraint log_cursors_alarm_id_key unique (account_id, alarm_id);
comment on column log_cursors.alarm_id is 'the last alarm that nobody reads the log; null: there was none';
alter policy log_cursors_own on log_cursors to imago_api, imago_worker, imago_drift;
grant select (connection_id, account_id, alarm_id) on log_cursors to imago_worker;
grant insert (alarm_id), update (alarm_id) on log_cursors to imago_definer;

-- The function below reaches across accounts, as those of 00012 do and by the same rules:
-- for imago_worker, with a running run_schedules job.
-- +goose StatementBegin
create or replace function alarm_silent_logs(at timestamptz, most int)
returns table (account_id uuid, connection_id uuid)
language plpgsql volatile security definer set search_path = ''
as $$
#variable_conflict use_column
begin
    if public.current_job_kind() is distinct from 'run_schedules' then
        raise exception 'only the tick raises alarms' using errcode = 'IM002';
    end if;
    return query
        insert into public.log_cursors as k (connection_id, account_id, cursor, alarmed_at, alarm_id)
        select c.id, c.account_id, '', at, public.new_id()
        from public.connections c
        left join public.log_cursors l on l.account_id = c.account_id and l.connection_id = c.id
        where c.state = 'ready' and l.alarmed_at is null
            and coalesce(l.polled_at, (
                select min(s.ended_at) from public.snapshots s
                where s.account_id = c.account_id and s.connection_id = c.id and s.state in ('complete', 'partial')))
                < at - greatest(interval '1 hour', 10 * make_interval(secs => c.follow_seconds))
        order by c.id
        limit most
        on conflict on constraint log_cursors_pkey do update set alarmed_at = at, alarm_id = excluded.alarm_id
        returning k.account_id, k.connection_id;
end
$$;
-- +goose StatementEnd
