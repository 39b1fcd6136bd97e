-- +goose Up
-- Who ends their sessions from one account ends those in their other accounts too: each of
-- these is told in its own activity log. Only its own worker's job can write there.

alter table sessions add column tell_end boolean not null default false;
comment on column sessions.tell_end is 'its person ended it from another account, and its account''s log does not have it yet';
create index sessions_tell_end_idx on sessions (account_id) where tell_end;
grant select (tell_end), update (tell_end) on sessions to imago_definer;

-- +goose StatementBegin
create function note_end() returns trigger
language plpgsql set search_path = ''
as $$
begin
    new.tell_end := coalesce(new.user_id = public.current_user_id() and new.account_id <> public.current_account(), false);
    return new;
end
$$;
-- +goose StatementEnd
comment on function note_end() is 'notes that a session was ended by its person, from another account';
create trigger sessions_end before update of revoked_at on sessions for each row
    when (old.revoked_at is null and new.revoked_at is not null) execute function note_end();

-- The functions below reach across accounts, as those of 00012 do and by the same rules.

-- For imago_worker, with a running run_schedules job.
-- +goose StatementBegin
create function due_ends(most int)
returns table (account_id uuid, session_id uuid)
language sql stable security definer set search_path = ''
as $$
    select s.account_id, s.id from public.sessions s
    where public.current_job_kind() = 'run_schedules' and s.tell_end
        and not exists (
            select from river.river_job j
            where j.kind = 'report_end' and j.args @> jsonb_build_object('account_id', s.account_id, 'session_id', s.id)
                and j.state in ('available', 'pending', 'retryable', 'running', 'scheduled'))
    limit most
$$;
-- +goose StatementEnd
comment on function due_ends(int) is 'sessions that were ended from another account, of which theirs is to be told';

-- For imago_worker, with a job of the session's account.
-- +goose StatementBegin
create function take_end(session uuid)
returns table (email text, kind text, ended_at timestamptz)
language sql volatile security definer set search_path = ''
as $$
    update public.sessions s set tell_end = false
    from public.users u
    where s.id = take_end.session and s.tell_end and u.id = s.user_id
        and s.account_id = (select public.current_account()) and public.current_job_kind() = 'report_end'
    returning u.email, s.kind, s.revoked_at
$$;
-- +goose StatementEnd
comment on function take_end(uuid) is 'whose session it was that the running job is to tell its account of, once';

-- +goose StatementBegin
create function stands_end(args jsonb) returns boolean
language sql stable security definer set search_path = ''
as $$
    select exists (
        select from public.sessions s
        where s.id = public.as_uuid(args ->> 'session_id') and s.account_id = public.as_uuid(args ->> 'account_id') and s.tell_end)
$$;
-- +goose StatementEnd
comment on function stands_end(jsonb) is 'whether a session was ended from another account of which a tick is about to tell';

-- +goose StatementBegin
do $$
declare
    signature text;
begin
    execute 'grant create on schema public to imago_definer';
    foreach signature in array array['due_ends(int)', 'take_end(uuid)', 'stands_end(jsonb)'] loop
        execute format('alter function public.%s owner to imago_definer', signature);
        execute format('revoke execute on function public.%s from public', signature);
        execute format('grant execute on function public.%s to imago_worker', signature);
    end loop;
    execute 'revoke create on schema public from imago_definer';
end
$$;
-- +goose StatementEnd

create policy river_job_end_insert on river.river_job for insert to imago_worker
    with check (kind = 'report_end' and (select current_job_kind()) = 'run_schedules' and stands_end(args));
