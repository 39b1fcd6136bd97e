-- +goose Up
-- A restore that cannot go on is not at its end while its write app may be active: it
-- goes on to closing, whatever it was at, and ends when the org refuses the app.

-- +goose StatementBegin
create or replace function guard_restore() returns trigger
language plpgsql set search_path = ''
as $$
declare
    -- From each state, where a restore may go.
    onward jsonb := '{
        "planning":  ["planned", "failed", "cancelled"],
        "planned":   ["approved", "cancelled"],
        "approved":  ["waiting", "applying", "failed", "stopped", "cancelled"],
        "waiting":   ["applying", "closing", "failed", "stopped", "cancelled"],
        "applying":  ["waiting", "verifying", "closing", "failed", "stopped"],
        "verifying": ["waiting", "verified", "closing", "failed", "stopped"],
        "verified":  ["closing", "closed", "failed", "stopped"],
        "closing":   ["closed", "failed", "stopped"]
    }';
begin
    if new.state <> old.state and not coalesce(onward -> old.state ? new.state, false) then
        raise exception 'restore % cannot go from % to %', old.id, old.state, new.state using errcode = 'IM003';
    end if;
    if old.state <> 'planning' and (new.plan_digest is distinct from old.plan_digest
            or new.plan_sealed is distinct from old.plan_sealed) then
        raise exception 'the plan of restore % does not change any more', old.id using errcode = 'IM003';
    end if;
    if new.approved_by is distinct from old.approved_by
            and (new.approved_by is distinct from public.current_user_id()
                or not public.may_approve(public.current_member_role())) then
        raise exception 'restore % is approved by whoever is signed in and may approve, and nobody else', old.id
            using errcode = 'IM002';
    end if;
    if new.state = 'applying' and old.state <> 'applying' and not exists (
            select from public.members m
            where m.account_id = new.account_id and m.user_id = new.approved_by and public.may_approve(m.role)) then
        raise exception 'who approved restore % may not approve restores any more', old.id
            using errcode = 'IM002', hint = 'plan it again, and have an owner or an admin approve that';
    end if;
    -- Whoever changes the write credential at this moment is waited for (guard_credential).
    if new.apply_requested_at is distinct from old.apply_requested_at then
        perform from public.credentials c
        where c.account_id = new.account_id and c.connection_id = new.connection_id and c.purpose = 'write'
        for share;
    end if;
    return new;
end
$$;
-- +goose StatementEnd

-- What is given up in the middle has its window closed, and a connection does not stay
-- at its check for ever.
grant update (state, problem, checked_at) on connections to imago_definer;
create policy connections_definer_update on connections for update to imago_definer using (true) with check (true);

-- +goose StatementBegin
create or replace function end_orphans()
returns table (account_id uuid, kind text, id uuid)
language plpgsql volatile security definer set search_path = ''
as $$
begin
    if public.current_job_kind() is distinct from 'run_schedules' then
        raise exception 'only the tick ends what was given up' using errcode = 'IM002';
    end if;
    return query
        update public.snapshots s set state = 'failed', ended_at = now(), lease = s.lease + 1, checkpoint = null,
            problem = jsonb_build_object('kind', 'unavailable', 'field', '',
                'what', 'the snapshot was given up after many tries', 'hint', 'check the connection, then take one again')
        where s.state in ('queued', 'running') and s.created_at < now() - interval '1 minute'
            and not exists (
                select from river.river_job j
                where j.kind = 'take_snapshot' and j.args @> jsonb_build_object('snapshot_id', s.id)
                    and j.state in ('available', 'pending', 'retryable', 'running', 'scheduled'))
        returning s.account_id, 'snapshot', s.id;
    return query
        update public.restores r set state = case when r.window_opened_at is null then 'failed' else 'closing' end,
            ended_at = case when r.window_opened_at is null then now() end, lease = r.lease + 1,
            problem = jsonb_build_object('kind', 'unavailable', 'field', '',
                'what', 'the restore was given up after many tries',
                'hint', 'its journal says what was made; deactivate the write app, then plan again')
        where (r.state in ('planning', 'waiting', 'applying', 'verifying')
                or r.state = 'approved' and r.apply_requested_at is not null)
            and r.created_at < now() - interval '1 minute'
            and not exists (
                select from river.river_job j
                where j.kind in ('plan_restore', 'apply_restore')
                    and j.args @> jsonb_build_object('restore_id', r.id)
                    and j.state in ('available', 'pending', 'retryable', 'running', 'scheduled'))
        returning r.account_id, 'restore', r.id;
    update public.connections c set state = 'failed', checked_at = now(),
        problem = jsonb_build_object('kind', 'unavailable', 'field', '',
            'what', 'the check was given up after many tries', 'hint', 'check the connection again')
    where c.state = 'checking' and not exists (
        select from river.river_job j
        where j.kind = 'check_connection' and j.args @> jsonb_build_object('connection_id', c.id)
            and j.state in ('available', 'pending', 'retryable', 'running', 'scheduled'));
    -- Those that were just given up are among them.
    return query
        select r.account_id, 'window', r.id from public.restores r
        where r.state in ('verified', 'closing') and not exists (
            select from river.river_job j
            where j.kind = 'apply_restore' and j.args @> jsonb_build_object('restore_id', r.id)
                and j.state in ('available', 'pending', 'retryable', 'running', 'scheduled'));
end
$$;
-- +goose StatementEnd
comment on function end_orphans() is 'ends snapshots, restores and checks whose job is gone, so that they hold no place for ever; windows that nobody closes';

-- A restore that was given up is told of before its window is closed.
-- +goose StatementBegin
create or replace function stands(kind text, args jsonb) returns boolean
language sql stable security definer set search_path = ''
as $$
    with about as (
        select public.as_uuid(args ->> 'account_id') as account_id, public.as_uuid(args ->> 'connection_id') as connection_id,
            public.as_uuid(args ->> 'snapshot_id') as snapshot_id, public.as_uuid(args ->> 'restore_id') as restore_id,
            public.as_uuid(args ->> 'log_connection_id') as log_id, public.as_uuid(args ->> 'refusal_id') as refusal_id
    )
    select case kind
        when 'take_snapshot' then exists (
            select from about a join public.snapshots s on s.account_id = a.account_id
                and s.connection_id = a.connection_id and s.id = a.snapshot_id
            where s.state = 'queued' and s.trigger = 'schedule')
        when 'apply_restore' then exists (
            select from about a join public.restores r on r.account_id = a.account_id and r.id = a.restore_id
            where r.state in ('verified', 'closing'))
        when 'report_failure' then exists (
                select from about a join public.snapshots s on s.account_id = a.account_id and s.id = a.snapshot_id
                where s.state = 'failed')
            or exists (
                select from about a join public.restores r on r.account_id = a.account_id and r.id = a.restore_id
                where r.state in ('failed', 'stopped', 'closing'))
            or exists (
                select from about a join public.schedules s on s.account_id = a.account_id
                    and s.connection_id = a.connection_id
                where s.enabled)
            or exists (
                select from about a join public.log_cursors l on l.account_id = a.account_id and l.connection_id = a.log_id
                where l.alarmed_at is not null)
            or exists (
                select from about a
                join public.sign_in_refusals f on f.id = a.refusal_id
                join public.sign_in_codes c on c.id = f.code_id
                join public.users u on u.email = c.email
                join public.members m on m.user_id = u.id and m.account_id = a.account_id
                where f.claimed_at is not null)
        when 'follow_log' then exists (
            select from about a join public.connections c on c.account_id = a.account_id and c.id = a.connection_id
            where c.state = 'ready')
        else false
    end
$$;
-- +goose StatementEnd
