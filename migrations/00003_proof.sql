-- +goose Up
-- The account is derived here, from a proof, and never set by a program:
--   app.proof_kind  app.proof                       role
--   session         hex SHA-256 of a live token     imago_api
--   job             id of a running river job       imago_worker, imago_drift (its own queue)
--   code            id of a sign-in code to be sent imago_api, to enqueue the mail and no more
-- Whatever else is presented gives null, and null is nobody's account.

grant select on river.river_job to imago_definer;

-- +goose StatementBegin
create function current_session_id() returns uuid
language sql stable security definer set search_path = ''
as $$
    select s.id
    from public.sessions s
    join public.members m on m.account_id = s.account_id and m.user_id = s.user_id
    where session_user = 'imago_api'
        and current_setting('app.proof_kind', true) = 'session'
        and s.token_hash = case
            when current_setting('app.proof', true) ~ '^[0-9a-f]{64}$'
            then decode(current_setting('app.proof', true), 'hex')
        end
        and s.revoked_at is null
        and s.expires_at > now()
        and s.idle_expires_at > now()
$$;
-- +goose StatementEnd
comment on function current_session_id() is 'the live session that was presented, of somebody who is still a member';

-- +goose StatementBegin
create function current_job_id() returns bigint
language sql stable security definer set search_path = ''
as $$
    select j.id
    from river.river_job j
    where current_setting('app.proof_kind', true) = 'job'
        and j.id = case
            when current_setting('app.proof', true) ~ '^[0-9]{1,18}$'
            then current_setting('app.proof', true)::bigint
        end
        and j.state = 'running'
        and case session_user
            when 'imago_worker' then j.queue <> 'drift'
            when 'imago_drift' then j.queue = 'drift'
            else false
        end
$$;
-- +goose StatementEnd
comment on function current_job_id() is 'the running job that was presented, of a queue that is the role''s own';

-- +goose StatementBegin
create function current_job_kind() returns text
language sql stable security definer set search_path = ''
as $$
    select j.kind from river.river_job j where j.id = public.current_job_id()
$$;
-- +goose StatementEnd
comment on function current_job_kind() is 'the kind of the running job that was presented';

-- +goose StatementBegin
create function current_account() returns uuid
language sql stable security definer set search_path = ''
as $$
    select case current_setting('app.proof_kind', true)
        when 'session' then (
            select s.account_id from public.sessions s where s.id = public.current_session_id())
        when 'job' then (
            select public.as_uuid(j.args ->> 'account_id') from river.river_job j where j.id = public.current_job_id())
    end
$$;
-- +goose StatementEnd
comment on function current_account() is 'the account that the presented proof lets in; null: none';

-- +goose StatementBegin
create function current_user_id() returns uuid
language sql stable security definer set search_path = ''
as $$
    select s.user_id from public.sessions s where s.id = public.current_session_id()
$$;
-- +goose StatementEnd
comment on function current_user_id() is 'the person whose session was presented';

-- +goose StatementBegin
create function current_member_role() returns text
language sql stable security definer set search_path = ''
as $$
    select m.role
    from public.sessions s
    join public.members m on m.account_id = s.account_id and m.user_id = s.user_id
    where s.id = public.current_session_id()
$$;
-- +goose StatementEnd
comment on function current_member_role() is 'the role of the person whose session was presented';

-- +goose StatementBegin
create function current_code_id() returns uuid
language sql stable security definer set search_path = ''
as $$
    select c.id
    from public.sign_in_codes c
    where case current_setting('app.proof_kind', true)
            when 'code' then session_user = 'imago_api'
                and c.id = public.as_uuid(current_setting('app.proof', true))
                and c.code_hash is null
            when 'job' then session_user = 'imago_worker'
                and c.id = (
                    select public.as_uuid(j.args ->> 'code_id') from river.river_job j
                    where j.id = public.current_job_id() and j.kind = 'send_code')
            else false
        end
        and c.used_at is null
        and c.expires_at > now()
$$;
-- +goose StatementEnd
comment on function current_code_id() is 'the sign-in code that the api has just begun, or that the running job is to send';

-- +goose StatementBegin
do $$
declare
    f text;
begin
    execute 'grant create on schema public to imago_definer';
    foreach f in array array['current_session_id', 'current_job_id', 'current_job_kind', 'current_account',
            'current_user_id', 'current_member_role', 'current_code_id'] loop
        execute format('alter function public.%I() owner to imago_definer', f);
        execute format('revoke execute on function public.%I() from public', f);
        execute format('grant execute on function public.%I() to imago_api, imago_worker, imago_drift', f);
    end loop;
    execute 'revoke create on schema public from imago_definer';
end
$$;
-- +goose StatementEnd

create policy accounts_own on accounts to imago_api, imago_worker, imago_drift
    using (id = (select current_account()));
grant select, update (name) on accounts to imago_api;
grant select on accounts to imago_worker, imago_drift;

create policy members_own on members to imago_api, imago_worker, imago_drift
    using (account_id = (select current_account()));
grant select on members to imago_api, imago_worker, imago_drift;

-- members is itself under row-level security: only one's own account's are found.
create policy users_own on users for select to imago_api, imago_worker
    using (exists (select from members m where m.user_id = users.id));
grant select (id, email) on users to imago_api, imago_worker;

create policy sessions_own on sessions to imago_api
    using (account_id = (select current_account()) and user_id = (select current_user_id()));
grant select (id, account_id, user_id, kind, created_at, seen_at, idle_expires_at, expires_at, revoked_at),
    update (seen_at, idle_expires_at, revoked_at) on sessions to imago_api;

create policy account_keys_own on account_keys to imago_api, imago_worker, imago_drift
    using (account_id = (select current_account()));
grant select on account_keys to imago_api, imago_worker, imago_drift;
