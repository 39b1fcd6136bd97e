-- +goose Up
-- Everything that reaches across accounts, in one file, for the auditor. Each
-- function runs as imago_definer, says who may call it and what it asks of them,
-- and answers IDs, times and settings: no names, no directory data. (An address is
-- answered once: to the running job that mails a sign-in code to it.)
--
-- Errors that the programs know: IM001 too often, IM002 refused, IM003 moved on.

-- For imago_api, with no proof: somebody asks for a code.
-- +goose StatementBegin
create function begin_sign_in(address text, client bytea, ip bytea)
returns table (id uuid, expires_at timestamptz)
language plpgsql volatile security definer set search_path = ''
as $$
begin
    -- Whoever asks at the same moment waits, so that the limits hold.
    perform pg_catalog.pg_advisory_xact_lock(7301, pg_catalog.hashtext(lower(address)));
    perform pg_catalog.pg_advisory_xact_lock(7302, pg_catalog.hashtext(encode(ip, 'hex')));
    if (select count(*) from public.sign_in_codes c
            where c.email = lower(address) and c.created_at > now() - interval '1 hour') >= 5
        or (select count(*) from public.sign_in_codes c
            where c.ip_hash = ip and c.created_at > now() - interval '1 hour') >= 20 then
        raise exception 'too many sign-in codes were asked for' using errcode = 'IM001';
    end if;
    return query
        insert into public.sign_in_codes as c (email, client_hash, ip_hash)
        values (lower(address), client, ip)
        returning c.id, c.expires_at;
end
$$;
-- +goose StatementEnd
comment on function begin_sign_in(text, bytea, bytea) is 'begins a sign-in: at most 5 an hour for an address, 20 for a client''s network address';

-- For imago_worker, with the running send_code job of that code.
-- +goose StatementBegin
create function set_code_hash(code_hash bytea)
returns table (email text, expires_at timestamptz)
language sql volatile security definer set search_path = ''
as $$
    update public.sign_in_codes c set code_hash = set_code_hash.code_hash
    where c.id = public.current_code_id() and c.verified_at is null
        and current_setting('app.proof_kind', true) = 'job'
    returning c.email, c.expires_at
$$;
-- +goose StatementEnd
comment on function set_code_hash(bytea) is 'stores what the code that is about to be mailed is checked against; answers where to';

-- For imago_api, with no proof: the person types the code. A wrong one is counted,
-- so it is answered and not raised.
-- +goose StatementBegin
create function check_code(code uuid, code_hash bytea, client bytea)
returns table (outcome text, tries_left int, user_id uuid, account_id uuid, member_role text)
language plpgsql volatile security definer set search_path = ''
as $$
declare
    c public.sign_in_codes;
begin
    select * into c from public.sign_in_codes s where s.id = code for update;
    if c.id is null or c.client_hash <> client then
        return query select 'unknown', 0, null::uuid, null::uuid, null::text;
    elsif c.used_at is not null then
        return query select 'used', 0, null::uuid, null::uuid, null::text;
    elsif c.expires_at <= now() then
        return query select 'expired', 0, null::uuid, null::uuid, null::text;
    elsif c.tries >= 5 then
        return query select 'exhausted', 0, null::uuid, null::uuid, null::text;
    elsif c.code_hash is null or c.code_hash <> check_code.code_hash then
        update public.sign_in_codes s set tries = s.tries + 1 where s.id = code;
        return query select 'wrong', 4 - c.tries, null::uuid, null::uuid, null::text;
    else
        update public.sign_in_codes s set verified_at = now() where s.id = code;
        return query
            select 'right', 0, u.id, m.account_id, m.role
            from (values (1)) one (n)
            left join public.users u on u.email = c.email
            left join public.members m on m.user_id = u.id
            order by m.created_at, m.account_id;
    end if;
end
$$;
-- +goose StatementEnd
comment on function check_code(uuid, bytea, bytea) is 'five tries, ten minutes, only for the client that asked; the accounts that it opens';

-- For imago_api, with no proof: the code was right, a session is opened with it, once.
-- An account that does not exist is made for a person who has none, with its keyring.
-- +goose StatementBegin
create function open_session(code uuid, client bytea, account uuid, account_name text, wrapped bytea,
    token_hash bytea, kind text, idle_for interval, lives_for interval)
returns table (id uuid, user_id uuid, idle_expires_at timestamptz, expires_at timestamptz, made boolean)
language plpgsql volatile security definer set search_path = ''
as $$
declare
    c public.sign_in_codes;
    person uuid;
    makes boolean := false;
begin
    select * into c from public.sign_in_codes s where s.id = code for update;
    if c.id is null or c.client_hash <> client or c.verified_at is null or c.used_at is not null
            or c.expires_at <= now() then
        raise exception 'no code was checked that this session could be opened with' using errcode = 'IM002';
    end if;
    update public.sign_in_codes s set used_at = now() where s.id = code;

    insert into public.users as u (email) values (c.email) on conflict on constraint users_email_key do nothing;
    select u.id into person from public.users u where u.email = c.email;

    if not exists (select from public.members m where m.account_id = account and m.user_id = person) then
        if wrapped is null or exists (select from public.members m where m.user_id = person)
                or exists (select from public.accounts a where a.id = account) then
            raise exception 'that account is not open to this person' using errcode = 'IM002';
        end if;
        makes := true;
        insert into public.accounts (id, name) values (account, account_name);
        insert into public.members (account_id, user_id, role) values (account, person, 'owner');
        insert into public.account_keys (account_id, wrapped) values (account, open_session.wrapped);
    end if;

    return query
        insert into public.sessions as s (account_id, user_id, token_hash, kind, idle_expires_at, expires_at)
        values (account, person, open_session.token_hash, open_session.kind,
            least(now() + idle_for, now() + lives_for), now() + lives_for)
        returning s.id, s.user_id, s.idle_expires_at, s.expires_at, makes;
end
$$;
-- +goose StatementEnd
comment on function open_session(uuid, bytea, uuid, text, bytea, bytea, text, interval, interval)
    is 'opens a session with a checked code; makes the account at a person''s first sign-in';

-- For imago_api, with no proof, in the transaction of open_session. Where only an
-- installation's first person may make an account, two who come first at the same
-- moment must not both be first. It tells nothing but whether there is an account.
-- +goose StatementBegin
create function is_first_sign_up() returns boolean
language plpgsql volatile security definer set search_path = ''
as $$
begin
    perform pg_catalog.pg_advisory_xact_lock(7303, 0);
    return not exists (select from public.accounts);
end
$$;
-- +goose StatementEnd
comment on function is_first_sign_up() is 'whether no account was made yet; the answer holds until the transaction ends';

-- For imago_worker, with a running run_schedules job. The rows stay locked until
-- the transaction ends, in which start_scheduled_snapshot moves them on.
-- +goose StatementBegin
create function claim_due_schedules(at timestamptz, most int)
returns table (connection_id uuid, cron text, time_zone text, due_at timestamptz)
language sql volatile security definer set search_path = ''
as $$
    select s.connection_id, s.cron, s.time_zone, s.next_run_at
    from public.schedules s
    where public.current_job_kind() = 'run_schedules' and s.enabled and s.next_run_at <= at
    order by s.next_run_at
    limit most
    for update skip locked
$$;
-- +goose StatementEnd
comment on function claim_due_schedules(timestamptz, int) is 'schedules whose time has come, for one worker';

-- For imago_worker, with a running run_schedules job.
-- +goose StatementBegin
create function start_scheduled_snapshot(connection uuid, next_run timestamptz)
returns table (account_id uuid, snapshot_id uuid)
language plpgsql volatile security definer set search_path = ''
as $$
#variable_conflict use_column
declare
    owner uuid;
begin
    if public.current_job_kind() is distinct from 'run_schedules' then
        raise exception 'only the tick starts scheduled snapshots' using errcode = 'IM002';
    end if;
    update public.schedules s set next_run_at = next_run, last_run_at = s.next_run_at
    where s.connection_id = connection;
    select c.account_id into owner from public.connections c where c.id = connection and c.state = 'ready';
    if owner is null then
        return;
    end if;
    return query
        insert into public.snapshots as n (account_id, connection_id, trigger)
        values (owner, connection, 'schedule')
        on conflict (account_id, connection_id) where state in ('queued', 'running') do nothing
        returning n.account_id, n.id;
end
$$;
-- +goose StatementEnd
comment on function start_scheduled_snapshot(uuid, timestamptz)
    is 'moves a schedule on and queues its snapshot; nothing while one is unfinished or the connection is not ready';

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

-- For imago_worker, with a running run_schedules job. The monitor itself may be what is
-- silent, so the worker raises its alarm: once, until the log is read again.
-- +goose StatementBegin
create function alarm_silent_logs(at timestamptz, most int)
returns table (account_id uuid, connection_id uuid)
language plpgsql volatile security definer set search_path = ''
as $$
#variable_conflict use_column
begin
    if public.current_job_kind() is distinct from 'run_schedules' then
        raise exception 'only the tick raises alarms' using errcode = 'IM002';
    end if;
    return query
        insert into public.log_cursors as k (connection_id, account_id, cursor, alarmed_at)
        select c.id, c.account_id, '', at
        from public.connections c
        left join public.log_cursors l on l.account_id = c.account_id and l.connection_id = c.id
        where c.state = 'ready' and l.alarmed_at is null
            and coalesce(l.polled_at, (
                select min(s.ended_at) from public.snapshots s
                where s.account_id = c.account_id and s.connection_id = c.id and s.state in ('complete', 'partial')))
                < at - greatest(interval '1 hour', 10 * make_interval(secs => c.follow_seconds))
        order by c.id
        limit most
        on conflict on constraint log_cursors_pkey do update set alarmed_at = at
        returning k.account_id, k.connection_id;
end
$$;
-- +goose StatementEnd
comment on function alarm_silent_logs(timestamptz, int) is 'ready connections whose log nobody has read for an hour, each told once';

-- For imago_drift, with a running start_follows job.
-- +goose StatementBegin
create function followable_connections(most int)
returns table (account_id uuid, connection_id uuid)
language sql stable security definer set search_path = ''
as $$
    select c.account_id, c.id
    from public.connections c
    where public.current_job_kind() = 'start_follows' and c.state = 'ready'
        and not exists (
            select from river.river_job j
            where j.kind = 'follow_log' and j.args @> jsonb_build_object('connection_id', c.id)
                and j.state in ('available', 'pending', 'retryable', 'running', 'scheduled'))
    order by c.id
    limit most
$$;
-- +goose StatementEnd
comment on function followable_connections(int) is 'ready connections whose log nobody follows';

-- For imago_worker, with a running run_schedules job.
-- +goose StatementBegin
create function purge_expired()
returns void
language plpgsql volatile security definer set search_path = ''
as $$
begin
    if public.current_job_kind() is distinct from 'run_schedules' then
        raise exception 'only the tick purges' using errcode = 'IM002';
    end if;
    delete from public.sign_in_codes c where c.created_at < now() - interval '1 day';
    delete from public.idempotency_keys k where k.created_at < now() - interval '1 day';
    delete from public.sessions s where s.expires_at < now() - interval '30 days';
end
$$;
-- +goose StatementEnd
comment on function purge_expired() is 'forgets sign-in codes and idempotency keys after a day, sessions 30 days after their end';

-- For imago_worker, with a running run_schedules job.
-- +goose StatementBegin
create function end_orphans()
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
        update public.restores r set state = case when r.window_opened_at is null then 'failed' else 'stopped' end,
            ended_at = now(), lease = r.lease + 1,
            window_closed_at = case when r.window_opened_at is not null then now() end,
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
    return query
        select r.account_id, 'window', r.id from public.restores r
        where r.state in ('verified', 'closing') and not exists (
            select from river.river_job j
            where j.kind = 'apply_restore' and j.args @> jsonb_build_object('restore_id', r.id)
                and j.state in ('available', 'pending', 'retryable', 'running', 'scheduled'));
end
$$;
-- +goose StatementEnd
comment on function end_orphans() is 'ends snapshots and restores whose job is gone, so that they hold no place for ever; windows that nobody closes';

-- For imago_drift, with a running follow_log job: not across accounts, but past its
-- grants. What our own restores write is no drift: it is known by the write app's client
-- ID, and the rest of that credential must not be seen.
-- +goose StatementBegin
create function write_client(connection uuid) returns text
language sql stable security definer set search_path = ''
as $$
    select c.client_id from public.credentials c
    where c.connection_id = connection and c.purpose = 'write' and c.account_id = public.current_account()
$$;
-- +goose StatementEnd
comment on function write_client(uuid) is 'client ID of the service app that restores, of a connection of the current account';

-- +goose StatementBegin
do $$
declare
    f record;
begin
    execute 'grant create on schema public to imago_definer';
    for f in
        select * from (values
            ('begin_sign_in(text, bytea, bytea)', 'imago_api'),
            ('check_code(uuid, bytea, bytea)', 'imago_api'),
            ('open_session(uuid, bytea, uuid, text, bytea, bytea, text, interval, interval)', 'imago_api'),
            ('is_first_sign_up()', 'imago_api'),
            ('set_code_hash(bytea)', 'imago_worker'),
            ('claim_alarms(timestamptz, int)', 'imago_worker'),
            ('set_alarm(uuid, timestamptz)', 'imago_worker'),
            ('alarm_silent_logs(timestamptz, int)', 'imago_worker'),
            ('claim_due_schedules(timestamptz, int)', 'imago_worker'),
            ('start_scheduled_snapshot(uuid, timestamptz)', 'imago_worker'),
            ('purge_expired()', 'imago_worker'),
            ('end_orphans()', 'imago_worker'),
            ('followable_connections(int)', 'imago_drift'),
            ('write_client(uuid)', 'imago_drift')
        ) as t (signature, caller)
    loop
        execute format('alter function public.%s owner to imago_definer', f.signature);
        execute format('revoke execute on function public.%s from public', f.signature);
        execute format('grant execute on function public.%s to %I', f.signature, f.caller);
    end loop;
    execute 'revoke create on schema public from imago_definer';
end
$$;
-- +goose StatementEnd
